"""What is done to clips of the test split before they are scored once more.

All act on frames and waveform as a data set gives them, before the front end makes pictures of them; random numbers
follow from the name of the clip and of the condition alone, so that every model meets the same clips.

| family | levels | what it does |
|---|---|---|
| `no_sight`, `no_sound` | | the stream is not encoded, see below |
| `other_sound` | | the sound of another clip of the split; never of one that sounds the same |
| `shifted_sound` | 0.5, 1, 2 s | windows of sound, laid end to end, come later; the end comes in at the beginning |
| `noisy_sound` | 20, 10, 5, 0, -5 dB | white Gaussian noise, at this ratio of mean powers; silence stays silent |
| `dark_frames` | 60, 40, 25, 15, 8 % | brightness is multiplied by this share |
| `blurred_frames` | 1, 2, 4, 6, 8 % | Gaussian blur of this deviation, a share of the side of the frame |
| `noisy_frames` | 8, 12, 18, 26, 38 % | Gaussian noise of this deviation, a share of the largest brightness |

Where a stream is not encoded, the other is encoded as one whose partner is absent, by the adapter's own rule, and what
the head would read of the absent one is zeros.

Deviations of the noise of frames are those of ImageNet-C (Hendrycks, Dietterich, ICLR 2019).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from registry.vocabulary import SAMPLE_RATE, Condition, Inputs, Item, Modality

VERSION = 1
"""Raised when any condition comes to do something else."""
INT16_SCALE = 1 / 32768
SHIFTS, NOISES, DARKS = (0.5, 1.0, 2.0), (20, 10, 5, 0, -5), (60, 40, 25, 15, 8)
BLURS, GRAINS = (1, 2, 4, 6, 8), (8, 12, 18, 26, 38)
OTHER = "other_waveform"
"""The input of `ClipsWithOtherSound` that holds another clip's sound."""

Change = Callable[[Inputs, Sequence[str]], Inputs]
"""Inputs of a collated batch and the names of its clips -> changed inputs."""


def conditions_of(modalities: Sequence[Modality]) -> dict[Condition, Change]:
    """What can be done to clips of which these modalities are looked at, in order.

    Taking a stream away, or changing it for another clip's, needs both.
    """
    both = len(modalities) == 2
    return {
        condition: change
        for condition, change in _CONDITIONS.items()
        if condition.modality in modalities and (both or condition.family not in _OF_BOTH)
    }


def absent_in(condition: Condition) -> Modality | None:
    """The modality whose stream is not encoded."""
    return cast(Modality, condition.modality) if condition.family in ("no_sight", "no_sound") else None


def shift_sound(waveform: Tensor, seconds: float) -> Tensor:
    """Sound that comes later: (B, T, samples) -> same."""
    line = waveform.flatten(1)
    return line.roll(round(seconds * SAMPLE_RATE) % line.shape[1], dims=1).view_as(waveform)


def add_noise(waveform: Tensor, ratio: float, generators: Sequence[torch.Generator]) -> Tensor:
    """White noise at a signal-to-noise ratio in dB, drawn clip by clip: (B, T, samples) -> same."""
    noise = torch.stack([torch.randn(waveform.shape[1:], generator=own) for own in generators]).to(waveform.device)
    power = waveform.square().mean((1, 2), keepdim=True)
    return waveform + noise * (power * 10 ** (-ratio / 10)).sqrt()


def darken(frames: Tensor, percent: float) -> Tensor:
    """(B, T, 3, h, w) uint8 -> same."""
    return _as_frames(frames.float() * (percent / 100))


def blur(frames: Tensor, percent: float) -> Tensor:
    """Gaussian blur, edges repeated: (B, T, 3, h, w) uint8 -> same.

    Args:
        percent: the deviation as a share of the frame's width.
    """
    sigma = percent / 100 * frames.shape[-1]
    reach = max(1, round(3 * sigma))
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float32) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).to(frames.device)
    planes = frames.flatten(0, 2)[:, None].float()
    planes = F.conv2d(F.pad(planes, (0, 0, reach, reach), mode="replicate"), kernel.view(1, 1, -1, 1))
    planes = F.conv2d(F.pad(planes, (reach, reach, 0, 0), mode="replicate"), kernel.view(1, 1, 1, -1))
    return _as_frames(planes[:, 0].view(frames.shape))


def grain(frames: Tensor, percent: float, generators: Sequence[torch.Generator]) -> Tensor:
    """Gaussian noise of pixels, drawn clip by clip: (B, T, 3, h, w) uint8 -> same."""
    noise = torch.stack([torch.randn(frames.shape[1:], generator=own) for own in generators]).to(frames.device)
    return _as_frames(frames.float() + noise * (255 * percent / 100))


class ClipsWithOtherSound(Dataset[Item]):
    """Clips that bring the sound of another along, `other_waveform`.

    Args:
        seed: of the order in which clips lend their sound to the next.
    """

    def __init__(self, clips: Dataset[Item], seed: int = 0) -> None:
        self._clips = clips
        order = torch.randperm(len(cast(Any, clips)), generator=torch.Generator().manual_seed(seed)).tolist()
        self._next = dict(zip(order, order[1:] + order[:1], strict=True))

    def __len__(self) -> int:
        return len(self._next)

    def __getitem__(self, index: int) -> Item:
        item = self._clips[index]
        return {**item, "inputs": {**item["inputs"], OTHER: self._other(index, item["inputs"]["waveform"])}}

    def _other(self, index: int, own: Tensor) -> Tensor:
        """Sound of the next clip that does not sound the same, as several questions about one video do."""
        place = self._next[index]
        while place != index:
            other: Tensor = self._clips[place]["inputs"]["waveform"]
            if not torch.equal(other, own):
                return other
            place = self._next[place]
        return own


def _as_frames(values: Tensor) -> Tensor:
    return values.round().clamp(0, 255).to(torch.uint8)


def _sound(waveform: Tensor) -> Tensor:
    return waveform.float() if waveform.is_floating_point() else waveform.float() * INT16_SCALE


def _generators(names: Sequence[str], condition: str) -> list[torch.Generator]:
    digests = (hashlib.sha256(f"{condition}/{name}".encode()).digest() for name in names)
    return [torch.Generator().manual_seed(int.from_bytes(digest[:7], "big")) for digest in digests]


def _unchanged(inputs: Inputs, names: Sequence[str]) -> Inputs:
    """Of streams that are taken away where they are encoded."""
    return inputs


def _exchanged(inputs: Inputs, names: Sequence[str]) -> Inputs:
    return {**inputs, "waveform": inputs[OTHER]}


def _changed_sound(inputs: Inputs, names: Sequence[str], change: Callable[[Tensor], Tensor]) -> Inputs:
    return {**inputs, "waveform": change(_sound(inputs["waveform"]))}


def _noisy_sound(inputs: Inputs, names: Sequence[str], ratio: float) -> Inputs:
    # Noise of all levels is the same but for its loudness.
    return _changed_sound(inputs, names, lambda x: add_noise(x, ratio, _generators(names, "noisy_sound")))


def _changed_frames(inputs: Inputs, names: Sequence[str], change: Callable[[Tensor], Tensor]) -> Inputs:
    return {**inputs, "frames": change(inputs["frames"])}


def _noisy_frames(inputs: Inputs, names: Sequence[str], percent: float) -> Inputs:
    return _changed_frames(inputs, names, lambda x: grain(x, percent, _generators(names, "noisy_frames")))


_OF_BOTH = ("no_sight", "no_sound", "other_sound")
_CONDITIONS: dict[Condition, Change] = {
    Condition("no_sight", "no_sight", "", "visual"): _unchanged,
    Condition("no_sound", "no_sound", "", "audio"): _unchanged,
    Condition("other_sound", "other_sound", "", "audio"): _exchanged,
    **{
        Condition(f"shifted_sound_{s:g}", "shifted_sound", f"{s:g} s", "audio"): partial(
            _changed_sound, change=partial(shift_sound, seconds=s)
        )
        for s in SHIFTS
    },
    **{
        Condition(f"noisy_sound_{r}", "noisy_sound", f"{r} dB", "audio"): partial(_noisy_sound, ratio=r) for r in NOISES
    },
    **{
        Condition(f"dark_frames_{p}", "dark_frames", f"{p} %", "visual"): partial(
            _changed_frames, change=partial(darken, percent=p)
        )
        for p in DARKS
    },
    **{
        Condition(f"blurred_frames_{p}", "blurred_frames", f"{p} %", "visual"): partial(
            _changed_frames, change=partial(blur, percent=p)
        )
        for p in BLURS
    },
    **{
        Condition(f"noisy_frames_{p}", "noisy_frames", f"{p} %", "visual"): partial(_noisy_frames, percent=p)
        for p in GRAINS
    },
}
