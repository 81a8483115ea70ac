"""What is wrong with the media of one clip, by its headers or by decoding it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasks.media.errors import damaged, naming
from tasks.media.frames import list_pictures
from tasks.media.recording import FileRecording, Recording
from tasks.media.sampling import MIDDLE, Sampling
from tasks.media.tracks import announced_length, heard_track, open_media, seen_track

Kind = Literal["missing", "unreadable", "short", "silent", "mask"]
_TOLERANCE = 0.5
"""Seconds that may lack before a clip counts as short."""
_SMALL = 32
"""Side of the pictures that are decoded only to see whether they can be."""


@dataclass(frozen=True)
class Problem:
    """A kind, and one line on it."""

    kind: Kind
    detail: str


CRASHED = Problem("unreadable", "the decoder crashed")


def inspect_headers(recording: Recording, segments: int) -> list[Problem]:
    """What headers and listings tell.

    Raises:
        UserError: the clip is unreadable.
    """
    if not recording.present:
        led_out = isinstance(recording, FileRecording) and recording.leads_out
        why = "a link that leads out of the data's folder" if led_out else "no file, or an empty one"
        return [Problem("missing", why)]
    if not isinstance(recording, FileRecording):
        return []
    if recording.video:
        return _inspect_video(recording.video, recording.start, recording.seconds)
    assert recording.frames
    return _inspect_pictures(recording.frames, recording.sound, recording.seconds, segments)


def inspect_decoded(recording: Recording, segments: int, sampling: Sampling = MIDDLE) -> list[Problem]:
    """What headers tell, and what decoding tells that they do not.

    Raises:
        UserError: the clip is unreadable.
    """
    problems = inspect_headers(recording, segments)
    if any(problem.kind == "missing" for problem in problems):
        return problems
    clip = recording.read(segments, _SMALL, sampling)
    if not clip.has_sound:
        return _with_silence(problems, "no sound track")
    return problems if clip.waveform.any() else _with_silence(problems, "its sound is all zeros")


def _with_silence(problems: list[Problem], detail: str) -> list[Problem]:
    known = any(problem.kind == "silent" for problem in problems)
    return problems if known else [*problems, Problem("silent", detail)]


def _inspect_video(path: Path, start: float, seconds: float | None) -> list[Problem]:
    problems = []
    with naming(path), open_media(path) as container:
        seen, heard = seen_track(container), heard_track(container)
        if seen is None:
            raise damaged(path, "it has no video track")
        length = announced_length(container, [track for track in (seen, heard) if track])
        # Some containers do not tell; decoding does.
        if length and seconds and length < start + seconds - _TOLERANCE:
            problems.append(Problem("short", f"{length - start:.1f} of {seconds:g} s"))
        if heard is None:
            problems.append(Problem("silent", "no sound track"))
    return problems


def _inspect_pictures(
    frames: Path | tuple[Path, ...], sound: Path | None, seconds: float | None, segments: int
) -> list[Problem]:
    problems = []
    pictures = len(list_pictures(frames))
    if pictures < segments:
        problems.append(Problem("short", f"{pictures} pictures for {segments} segments"))
    if sound is None:
        return [*problems, Problem("silent", "no sound file")]
    with naming(sound), open_media(sound) as container:
        track = heard_track(container)
        if track is None:
            raise damaged(sound, "it has no sound track")
        length = announced_length(container, [track])
        if length and seconds and length < seconds - _TOLERANCE:
            problems.append(Problem("short", f"sound of {length:.1f} of {seconds:g} s"))
    return problems
