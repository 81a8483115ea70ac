"""A decoded clip, and its sound cut into windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from registry.vocabulary import SAMPLE_RATE
from tasks.media.sampling import MIDDLE, Sampling


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


def windows(sound: np.ndarray, begin: float, length: float, segments: int, sampling: Sampling = MIDDLE) -> Tensor:
    """One window for each segment: (samples,) -> (T, sampling.samples) float32.

    Args:
        sound: samples at `SAMPLE_RATE`.
        begin: where in the clip, in seconds, the first sample lies; before it and after the last one is silence.
        length: of the clip, in seconds.
    """
    size = sampling.samples
    cut = np.zeros((segments, size), dtype=np.float32)
    starts = sampling.starts(begin, begin + len(sound) / SAMPLE_RATE, length, segments)
    for row, first in zip(cut, starts, strict=True):
        start = round((first - begin) * SAMPLE_RATE)
        piece = sound[max(start, 0) : max(start + size, 0)]
        row[max(-start, 0) : max(-start, 0) + len(piece)] = piece
    return torch.from_numpy(cut)
