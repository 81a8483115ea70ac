"""Masks drawn over frames, to be looked at: a fill that lets the picture through, and a contour that does not, lined
with white."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

PREDICTED, TRUE = (255, 64, 64), (64, 224, 96)
"""Colours of what a model marks and of what is so."""
FILL = 0.4
"""Share of the colour within a mask."""
LEAST_SIDE = 224
"""Pictures are drawn at least this large, in whole multiples, so that small ones can be seen."""
GAP = 4
"""Pixels of white between pictures that stand side by side."""


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


def beside(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures of one size in a row: (H, W, 3) uint8 each -> (H, W', 3)."""
    gap = np.full((len(pictures[0]), GAP, 3), 255, np.uint8)
    row = [part for picture in pictures for part in (picture, gap)]
    return np.concatenate(row[:-1], axis=1)


def overlays(frames: Tensor, logits: Tensor, masks: Tensor | None = None) -> list[np.ndarray]:
    """The frames of a clip with what a model marks over them, and the truth to the right where there is one.

    Args:
        frames: (T, 3, h, w) uint8
        logits: (T, M, M), the output `logits` of a head of segmentation for one clip.
        masks: (T, M, M), 0 or 1.

    Returns:
        T pictures (H, W, 3) uint8.
    """
    pictures = frames.permute(0, 2, 3, 1).cpu().numpy()
    marked = (logits.detach().float().cpu().numpy() > 0).astype(bool)
    drawn = [draw_mask(picture, mask) for picture, mask in zip(pictures, marked, strict=True)]
    if masks is None:
        return drawn
    truth = masks.cpu().numpy() > 0
    return [
        beside([ours, draw_mask(picture, mask, TRUE)])
        for ours, picture, mask in zip(drawn, pictures, truth, strict=True)
    ]


def save_overlays(folder: Path, pictures: Sequence[np.ndarray]) -> list[Path]:
    """Write pictures as `0001.png`, `0002.png`, … into a folder, which is made.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:04d}.png" for number in range(1, len(pictures) + 1)]
    for path, picture in zip(paths, pictures, strict=True):
        Image.fromarray(picture).save(path)
    return paths


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
