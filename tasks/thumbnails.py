"""Frames of a clip as one small picture, for galleries."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

SIDE = 56
"""Pixels of a frame's height."""
MOST_FRAMES = 10
"""Of a strip; of more frames evenly spaced ones are taken."""
QUALITY = 70


def strip(*lines: Sequence[np.ndarray]) -> bytes:
    """Lines of as many frames, (H, W, 3) uint8 each, below each other: -> a JPEG of some kilobytes."""
    drawn = [np.concatenate([_small(frame) for frame in frames], axis=1) for frames in map(chosen, lines)]
    file = io.BytesIO()
    Image.fromarray(np.concatenate(drawn)).save(file, "JPEG", quality=QUALITY, optimize=True)
    return file.getvalue()


def chosen(frames: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    """At most `MOST_FRAMES` of them."""
    if len(frames) <= MOST_FRAMES:
        return frames
    return [frames[int(place)] for place in np.linspace(0, len(frames) - 1, MOST_FRAMES)]


def _small(frame: np.ndarray) -> np.ndarray:
    high, wide = frame.shape[:2]
    return np.asarray(
        Image.fromarray(frame).resize((max(1, round(SIDE * wide / high)), SIDE), Image.Resampling.BILINEAR)
    )
