"""Clips of the user's own: videos, folders of pictures, folders of videos, manifests."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from benchmark.kept.config import ModelFacts
from registry.errors import DataError, UserError
from tasks.datasets.annotations import find_manifest
from tasks.datasets.manifest import ManifestRow, read_manifest
from tasks.datasets.manifest_masks import masks_of
from tasks.media.clip import Clip
from tasks.media.errors import naming
from tasks.media.frames import is_picture, list_pictures
from tasks.media.library import SOUND_SUFFIXES, VIDEO_SUFFIXES
from tasks.media.masks import ClipMasks
from tasks.media.recording import FileRecording, Recording
from tasks.media.sampling import Sampling
from tasks.media.tracks import announced_length, heard_track, open_media, scanned_length, seen_track

_SHORT = 0.5
"""Seconds that a file may lack before it is said."""


@dataclass(frozen=True)
class UserClip:
    """One clip: what it is called, and what it is read from."""

    id: str
    source: str
    """The path as it was given, or that of a manifest's row."""
    recording: Recording
    masks: ClipMasks | None = None
    """Of a manifest's row that names some: pictures of its segments, as many as the highest number says."""


def find_clips(paths: Iterable[str | Path]) -> list[UserClip]:
    """The clips that paths stand for: a video, a folder of pictures, each video of a folder, each row of a manifest.

    Sound of a folder of pictures is the one file of sound in it.

    Raises:
        DataError: a path that is none of these, or an id that occurs twice.
    """
    found = [clip for path in paths for clip in _clips_at(str(path))]
    if not found:
        raise DataError("no clip was given; name videos, folders of pictures or videos, or a manifest.")
    ids = [clip.id for clip in found]
    if repeated := next((name for name in ids if ids.count(name) > 1), None) if len(set(ids)) < len(ids) else None:
        raise DataError(f"two clips are called {repeated!r}; give each once.")
    return found


def _clips_at(text: str) -> list[UserClip]:
    path = Path(text).expanduser()
    if path.is_dir():
        return _clips_in(text, path)
    if not path.exists():
        raise DataError(f"media file {text} is missing; give a video, a folder of pictures or videos, or a manifest.")
    if not path.is_file():
        raise DataError(f"{text} is no regular file; give a video, a folder of pictures or videos, or a manifest.")
    return _manifest_clips(path) if path.suffix.lower() == ".csv" else [_video(text, path)]


def _clips_in(text: str, folder: Path) -> list[UserClip]:
    if find_manifest(folder):
        return _manifest_clips(folder)
    with naming(folder):
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    if videos := [name for name in names if Path(name).suffix.lower() in VIDEO_SUFFIXES]:
        return [_video(os.path.join(text, name), folder / name) for name in videos]
    if not any(map(is_picture, names)):
        raise DataError(f"folder {text} holds neither videos nor .jpg or .png pictures nor a manifest.csv.")
    sounds = [folder / name for name in names if Path(name).suffix.lower() in SOUND_SUFFIXES]
    if len(sounds) > 1:
        raise DataError(f"folder {text} holds {len(sounds)} files of sound, expected one at most beside its pictures.")
    sound = sounds[0] if sounds else None
    return [UserClip(text, text, FileRecording(text, frames=folder, sound=sound))]


def _video(text: str, path: Path) -> UserClip:
    return UserClip(text, text, FileRecording(text, video=path))


def _manifest_clips(path: Path) -> list[UserClip]:
    manifest = read_manifest(path)
    manifest.require()
    by_id: dict[str, list[ManifestRow]] = {}
    for row in manifest.rows:
        by_id.setdefault(row.id, []).append(row)
    spans = {name: _span(rows) for name, rows in by_id.items()}
    return [
        UserClip(
            name, span.path, manifest.recording(span), masks_of(span, manifest.file.parent) if span.masks else None
        )
        for name, span in spans.items()
    ]


def _span(rows: list[ManifestRow]) -> ManifestRow:
    """The row of a clip: the one without a label among rows that share an id, which else are events of a file."""
    if len(rows) == 1:
        return rows[0]
    return next((row for row in rows if not row.label), replace(rows[0], start=0.0, end=None))


@dataclass(frozen=True)
class ReadClip:
    """A clip as a model takes it, and what was unusual about its file."""

    clip: Clip
    length: float
    """Seconds of the file that the clip stands for."""
    begin: float
    """Where in the file it begins."""
    frame_times: tuple[float, ...]
    window_starts: tuple[float, ...]
    """When each segment's window of sound begins, in seconds of the clip."""
    notes: tuple[str, ...]
    whole: float | None
    """Seconds of what the clip is cut from, a file or a row of a manifest; None where unknown."""


def sampling_of(facts: ModelFacts) -> Sampling:
    """Which moments a model sees and hears."""
    return Sampling(facts.sampling, facts.window)


def cut_to(recording: Recording, seconds: float | None) -> Recording:
    """The recording at the length of clips that a model knows: where it says nothing itself, its first seconds."""
    if isinstance(recording, FileRecording) and recording.seconds is None and seconds is not None:
        return replace(recording, seconds=seconds)
    return recording


def read_clip(clip: UserClip, facts: ModelFacts) -> ReadClip:
    """Decode a clip, and look at what its file is like.

    Raises:
        DataError: (as MediaError) a file that is missing or damaged.
    """
    recording, sampling = cut_to(clip.recording, facts.seconds), sampling_of(facts)
    read = recording.read(facts.segments, facts.picture["size"], sampling)
    begin = recording.start if isinstance(recording, FileRecording) else 0.0
    whole, pictures = _measured(recording)
    length = _length(recording, facts, whole)
    moments = tuple(begin + moment for moment in sampling.moments(length, facts.segments))
    starts = tuple(sampling.starts(0.0, length, length, facts.segments))
    notes = tuple(_notes(read, length, begin, whole, pictures))
    asked = clip.recording.seconds if isinstance(clip.recording, FileRecording) else None
    return ReadClip(read, length, begin, moments, starts, notes, asked or (whole - begin if whole else None))


def true_masks(clip: UserClip, read: ReadClip, facts: ModelFacts) -> tuple[NDArray[np.bool_] | None, ...] | None:
    """The masks (M, M) of each segment as a manifest has them, None where it has none; None without any at all.

    Pictures are numbered by the segments of the whole row. Where the model reads only its beginning, a row that has a
    picture for the last of its segments tells how long they are; any other tells nothing.

    Raises:
        DataError: (as MediaError) a picture that is damaged.
    """
    if clip.masks is None or not clip.masks.sizes():
        return None
    segments = facts.segments
    whole = segments if read.whole is None else round(read.whole / (read.length / segments))
    if whole != segments and whole != len(clip.masks.files):
        return None
    files = (clip.masks.files + (None,) * segments)[:segments]
    masks, annotated = replace(clip.masks, files=files).read(facts.mask_side)
    return tuple(mask.numpy() > 0 if known else None for mask, known in zip(masks, annotated, strict=True))


def _length(recording: Recording, facts: ModelFacts, whole: float | None) -> float:
    """Seconds of a clip whose file lasts so long; where nothing tells, those of its windows of sound."""
    if isinstance(recording, FileRecording):
        return recording.seconds or (whole - recording.start if whole else facts.segments * facts.window)
    return facts.seconds or facts.segments * facts.window


def _measured(recording: Recording) -> tuple[float | None, int | None]:
    """Seconds of the whole file and how many pictures it has, two for more than one; None where unknown."""
    if not isinstance(recording, FileRecording):
        return None, None
    if recording.video is None:
        return None, len(list_pictures(recording.frames)) if recording.frames else None
    with naming(recording.video), open_media(recording.video) as container:
        seen, heard = seen_track(container), heard_track(container)
        length = announced_length(container, [track for track in (seen, heard) if track])
        pictures = seen.frames if seen else 0
        if not pictures and seen:
            packets = (packet for packet in container.demux(seen) if packet.size)
            pictures = sum(1 for _, packet in zip(range(2), packets, strict=False))
    with naming(recording.video):
        return length or scanned_length(recording.video), pictures


def _notes(clip: Clip, length: float, begin: float, whole: float | None, pictures: int | None) -> Iterable[str]:
    if not clip.has_sound:
        yield "no sound track"
    elif not clip.waveform.any():
        yield "its sound is all zeros"
    if pictures == 1:
        yield "one frame"
    if whole is None:
        return
    if whole - begin > length + _SHORT:
        place = f"{length:g} s from {begin:g} s on" if begin else f"the first {length:g} s"
        yield f"only {place} of {whole:.0f} s were read"
    elif whole - begin < length - _SHORT:
        yield f"it lasts {whole - begin:.1f} of {length:g} s; its last frame is held and silence follows"


class ClipItems(Dataset[dict[str, Any]]):
    """Decoded clips for a loader: `frames` (T, 3, S, S) uint8, `waveform` (T, samples), `length` in seconds,
    and `error`, text.

    Args:
        forgiving: a clip that cannot be read is silence on black, with the reason in `error`, rather than an exception.
    """

    def __init__(self, clips: Sequence[UserClip], facts: ModelFacts, forgiving: bool = False) -> None:
        self._clips, self._facts, self._forgiving = clips, facts, forgiving

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> dict[str, Any]:
        facts, sampling = self._facts, sampling_of(self._facts)
        try:
            recording = cut_to(self._clips[index].recording, facts.seconds)
            clip = recording.read(facts.segments, facts.picture["size"], sampling)
            known = not isinstance(recording, FileRecording) or recording.seconds is not None
            length = _length(recording, facts, None if known else _measured(recording)[0])
            return {**clip.inputs(), "length": float(length), "error": ""}
        except UserError as error:
            if not self._forgiving:
                raise
            side = facts.picture["size"]
            frames = torch.zeros(facts.segments, 3, side, side, dtype=torch.uint8)
            silence: Tensor = torch.zeros(facts.segments, sampling.samples)
            return {"frames": frames, "waveform": silence, "length": 0.0, "error": str(error)}
