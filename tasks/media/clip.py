"""A decoded clip, and the rule that says which moments of a recording it consists of.

A clip of `length` seconds is divided into T equal segments. A segment is seen in the frame on screen at its middle, and
heard in one window of sound centred on the same moment; a window that would reach over an end of the clip is moved
inside. At T = `length` and windows of one second, the windows tile the clip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from registry.vocabulary import SAMPLE_RATE


@dataclass(frozen=True)
class Clip:
    """What is seen and heard in the segments of a clip."""

    frames: Tensor
    """(T, 3, h, w) uint8, RGB."""
    waveform: Tensor
    """(T, samples) float32 at `SAMPLE_RATE`, one channel."""
    has_sound: bool
    """False where the recording has no sound track, and the waveform is silence."""

    def inputs(self) -> dict[str, Tensor]:
        """The clip as the `inputs` of a task's item."""
        return {"frames": self.frames, "waveform": self.waveform}


def middles(length: float, segments: int) -> list[float]:
    """The middle of each segment, in seconds: -> T numbers."""
    return [(i + 0.5) * length / segments for i in range(segments)]


def windows(sound: np.ndarray, begin: float, length: float, segments: int, seconds: float) -> Tensor:
    """One window of `seconds` for each segment: (samples,) -> (T, seconds * SAMPLE_RATE) float32.

    Args:
        sound: samples at `SAMPLE_RATE`.
        begin: where in the clip, in seconds, the first sample lies; before it and after the last one is silence.
        length: of the clip, in seconds.
    """
    size = round(seconds * SAMPLE_RATE)
    cut = np.zeros((segments, size), dtype=np.float32)
    for row, middle in zip(cut, middles(length, segments), strict=True):
        first = max(0.0, min(middle - seconds / 2, length - seconds))
        start = round((first - begin) * SAMPLE_RATE)
        piece = sound[max(start, 0) : max(start + size, 0)]
        row[max(-start, 0) : max(-start, 0) + len(piece)] = piece
    return torch.from_numpy(cut)
