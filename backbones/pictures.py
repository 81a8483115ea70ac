"""What a backbone's pictures look like: the frames it sees and the spectrograms it hears."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from registry.errors import UserError, unknown

Channels = Literal["sum", "mean"]
Stem = Literal["shared", "own"]
Filters = Literal["kaldi", "clap"]


@dataclass(frozen=True)
class SoundPicture:
    """How one segment of sound becomes a picture of `frames` rows (time) and `mel_bands` columns.

    Log-mel values become (value - mean) / (2 · std); rows are cut or zero-padded after that.
    """

    mel_bands: int
    """F"""
    frame_shift_ms: float
    """Milliseconds from one row to the next."""
    frames: int
    """Rows of the picture."""
    mean: float
    """Of log-mel values over a data set: natural logarithms of energy."""
    std: float
    """Their deviation, in the same log-mel units."""
    window_ms: float = 25.0
    """Milliseconds of sound that a row is computed from."""
    channels: Channels = "sum"
    """One channel repeated over RGB, which meets the sum of the stem's colour weights, or a third of it: their mean."""
    stem: Stem = "shared"
    """Whether sound enters through the stem of the frames or through a frozen copy of its own, as in STG-CMA: one
    input channel whose weights are that sum or mean, and positions fitted once. Same numbers, separate parameters."""
    filters: Filters = "kaldi"
    """Whose filter banks: Kaldi's at the project's sample rate, natural logarithm; or CLAP's at 48 kHz, in decibels,
    with frames centred on their shifts, to which sound is resampled."""

    def __post_init__(self) -> None:
        for name in ("mel_bands", "frame_shift_ms", "frames", "std", "window_ms"):
            if not getattr(self, name) > 0:
                raise UserError(f"sound {name}={getattr(self, name)!r} must be more than 0.")
        if self.channels not in get_args(Channels):
            raise unknown("sound channels", str(self.channels), get_args(Channels))
        if self.stem not in get_args(Stem):
            raise unknown("sound stem", str(self.stem), get_args(Stem))
        if self.filters not in get_args(Filters):
            raise unknown("sound filters", str(self.filters), get_args(Filters))

    def override(self, values: Mapping[str, Any] | None) -> SoundPicture:
        """The same picture with these fields changed; the key `preset` takes all of them from a paper first.

        Raises:
            UserError: an unknown field or preset, or an impossible value.
        """
        changes = dict(values or {})
        base = published_sound(changes.pop("preset")) if "preset" in changes else self
        known = [field.name for field in dataclasses.fields(self)]
        for name in changes:
            if name not in known:
                raise unknown("option of sound", name, [*known, "preset"])
        return dataclasses.replace(base, **changes)

    def as_dict(self) -> dict[str, Any]:
        """Plain values by name; `filters` where they are not Kaldi's, so that older kept adapters stay the same."""
        return {
            name: value for name, value in dataclasses.asdict(self).items() if (name, value) != ("filters", "kaldi")
        }


@dataclass(frozen=True)
class PictureSpec:
    """What the pretrained stem expects of a picture."""

    size: int
    """S, the side of a frame in pixels."""
    mean: tuple[float, ...]
    """Per colour, of values in 0..1."""
    std: tuple[float, ...]
    """The deviations, of values in 0..1 too."""
    sound: SoundPicture
    """What it hears of each segment."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values by name."""
        return dataclasses.asdict(self) | {"sound": self.sound.as_dict()}


AUDIOSET_MEAN, AUDIOSET_STD = -4.1426, 3.2001
"""Log-mel statistics with which STG-CMA and LAVISH (on ViT) normalise sound."""

VIT_SOUND = SoundPicture(128, 10.0, 102, AUDIOSET_MEAN, AUDIOSET_STD)
"""One second for ViT and CLIP, as in STG-CMA and LAVISH."""


def square_sound(size: int, mean: float, std: float, channels: Channels = "sum") -> SoundPicture:
    """A square picture of one second, for stems that take one size only.

    The shift is 1 s / size cut to tenths of a millisecond: 4.4 ms at 224 (STG-CMA), 5.2 ms at 192 (LAVISH).
    """
    return SoundPicture(size, (10_000 // size) / 10, size, mean, std, channels=channels)


SOUND_PRESETS = {
    "stg_cma_clip": dataclasses.replace(VIT_SOUND, stem="own"),
    "stg_cma_swin": SoundPicture(224, 4.4, 224, AUDIOSET_MEAN, AUDIOSET_STD, channels="mean", stem="own"),
    "stg_cma_avqa": SoundPicture(224, 4.4, 224, -5.214385986328125, 3.8699076175689697, channels="mean", stem="own"),
    "stg_cma_avs": SoundPicture(224, 4.4, 224, -5.669627666473389, 3.948380470275879, channels="mean", stem="own"),
    "lavish_vit": VIT_SOUND,
    "lavish_swin": SoundPicture(192, 5.2, 192, -4.984795570373535, 3.7079780101776123),
    "lavish_avqa": SoundPicture(192, 10.0, 192, -5.385333061218262, 3.5928637981414795),
    "lavish_avs": SoundPicture(192, 10.0, 192, -5.210531711578369, 3.5918314456939697),
}
"""Each paper's pictures of sound: AVE under the name of the backbone, the other tasks under their own.

Positions are an option of the backbone: `crop` with STG-CMA on CLIP, `linear` with LAVISH on ViT.
"""


def published_sound(preset: object) -> SoundPicture:
    """A paper's picture of sound by name.

    Raises:
        UserError: no such name.
    """
    if preset not in SOUND_PRESETS:
        raise unknown("preset of sound", str(preset), SOUND_PRESETS)
    return SOUND_PRESETS[str(preset)]
