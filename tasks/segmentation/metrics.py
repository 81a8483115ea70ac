"""Scores of masks as AVSBench's code has them (ECCV 2022, section 5.1), from counts that need no mask to be kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

THRESHOLDS = 255
"""Of probability, evenly from 0 to 1: the first marks every pixel, the last those that are saturated."""
BETA_SQUARED = 0.3
GROUP = 4
"""Clips of a batch in the published test scripts; the F-score depends on it."""


def frame_iou(logits: Tensor, masks: Tensor) -> Tensor:
    """Intersection over union of each frame at probability 0.5, which itself counts as background: -> (N,) float64.

    A frame without an object counts by its background: the share of its pixels that are rightly empty.

    Args:
        logits: (N, h, w)
        masks: (N, h, w), 0 or 1. Values between count for what they are, as in the published code.
    """
    predicted, truth = (logits.sigmoid() > 0.5).flatten(1).double(), masks.flatten(1).double()
    overlap, union = (predicted * truth).sum(1), torch.maximum(predicted, truth).sum(1)
    background = (1 - predicted).sum(1) / (truth.shape[1] + 1e-7)
    return torch.where(truth.sum(1) == 0, background, overlap / (union + 1e-7))


def thresholds() -> Tensor:
    """Probabilities at or above which a pixel is marked: (255,) float32."""
    return torch.linspace(0, 1, THRESHOLDS)


def marked_pixels(logits: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """How many pixels each threshold marks, and how many of those belong to the object: two (N, 255) int64.

    Args:
        logits, masks: (N, h, w)
    """
    passed = torch.bucketize(logits.sigmoid().flatten(1), thresholds().to(logits.device), right=True)
    counts = torch.zeros(2, len(logits), THRESHOLDS + 1, dtype=torch.int64, device=logits.device)
    counts[0].scatter_add_(1, passed, torch.ones_like(passed))
    counts[1].scatter_add_(1, passed, (masks > 0).flatten(1).long())
    # A pixel that passes k thresholds is marked by the first k.
    marked = counts.flip(-1).cumsum(-1).flip(-1)[..., 1:]
    return marked[0], marked[1]


@dataclass(frozen=True)
class FrameCounts:
    """What the scores need to know of frames: arrays over N frames."""

    iou: np.ndarray
    """(N,) in 0..1, see `frame_iou`."""
    true: np.ndarray
    """(N,) pixels of the object; 0 where nothing sounds in sight."""
    marked: np.ndarray
    """(N, 255) pixels at or above each threshold."""
    hit: np.ndarray
    """(N, 255) those of them that belong to the object."""

    @property
    def sounding(self) -> np.ndarray:
        """Whether the truth of a frame has an object: (N,) bool."""
        sounding: np.ndarray = self.true > 0
        return sounding


def count_frames(logits: Tensor, masks: Tensor) -> FrameCounts:
    """The counts of frames: (N, h, w), (N, h, w) -> N frames."""
    marked, hit = marked_pixels(logits, masks)
    true = (masks > 0).flatten(1).sum(1)
    return FrameCounts(*(x.cpu().numpy() for x in (frame_iou(logits, masks), true, marked, hit)))


def joined_counts(parts: Sequence[FrameCounts]) -> FrameCounts:
    """The frames of all parts, one after the other."""
    return FrameCounts(
        *(np.concatenate([getattr(p, name) for p in parts]) for name in ("iou", "true", "marked", "hit"))
    )


def f_curves(frames: FrameCounts) -> np.ndarray:
    """F at each threshold, 1.3 P R / (0.3 P + R), 0 where nothing is hit: -> (N, 255).

    Of frames without an object the curve means nothing; scores leave those out.
    """
    precision = frames.hit / (frames.marked + 1e-20)
    recall = frames.hit / (frames.true[:, None] + 1e-20)
    with np.errstate(invalid="ignore"):
        curves = (1 + BETA_SQUARED) * precision * recall / (BETA_SQUARED * precision + recall)
    return np.nan_to_num(curves)


def f_score(frames: FrameCounts) -> float:
    """The best threshold's F, curves averaged over the frames with an object; 0 where there is none: -> 0..1."""
    curves = f_curves(frames)[frames.sounding]
    return float(curves.mean(0).max()) if len(curves) else 0.0


def f_score_in_groups(clips: Sequence[FrameCounts], size: int = GROUP) -> float:
    """F as published: a threshold of its own for every group of clips, and the mean over groups: -> 0..1.

    A group without any object scores 0 and counts. The number depends on the size of groups and on the order of clips.
    """
    groups = [joined_counts(clips[first : first + size]) for first in range(0, len(clips), size)]
    return float(np.mean([f_score(group) for group in groups]))
