"""Masks drawn over frames, to be looked at: a fill that lets the picture through, and a contour that does not, lined
with white."""

from __future__ import annotations

import numpy as np

PREDICTED, TRUE = (255, 64, 64), (64, 224, 96)
"""Colours of what a model marks and of what is so."""
FILL = 0.4
"""Share of the colour within a mask."""
LEAST_SIDE = 224
"""Pictures are drawn at least this large, in whole multiples, so that small ones can be seen."""


def draw_mask(frame: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int] = PREDICTED) -> np.ndarray:
    """A frame with one mask over it, at the frame's size or a multiple of it: -> (H, W, 3) uint8.

    Args:
        frame: (h, w, 3) uint8
        mask: bool, of any size; fitted to the picture by the nearest pixel.
    """
    times = max(1, -(-LEAST_SIDE // min(frame.shape[:2])))
    picture = frame.repeat(times, 0).repeat(times, 1).astype(np.float32)
    inside = _fitted(mask, (picture.shape[0], picture.shape[1]))
    width = max(1, min(picture.shape[:2]) // 112)
    within = _eroded(inside, width)
    paint = np.array(colour, np.float32)
    picture[inside] += FILL * (paint - picture[inside])
    # A thing may have the colour itself.
    picture[within & ~_eroded(within, max(1, width // 2))] = 255
    picture[inside & ~within] = paint
    return (picture + 0.5).astype(np.uint8)


def _fitted(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    rows, columns = (((np.arange(n) + 0.5) * m / n).astype(np.int64) for n, m in zip(size, mask.shape, strict=True))
    fitted: np.ndarray = mask[rows[:, None], columns[None]]
    return fitted


def _eroded(inside: np.ndarray, width: int) -> np.ndarray:
    """Without the pixels within `width` of the outside; the picture's border is no outside."""
    padded = np.pad(inside, width, mode="edge")
    high, wide = inside.shape
    kept = inside.copy()
    for down, right in ((0, width), (2 * width, width), (width, 0), (width, 2 * width)):
        kept &= padded[down : down + high, right : right + wide]
    return kept
