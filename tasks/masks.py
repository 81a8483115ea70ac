"""Loss and score of sound-source segmentation as AVSBench's single-source set has them."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def first_frame_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Binary cross-entropy on the first frame of each clip, the only one with a mask in training.

    Args:
        logits: (B · T, 1, h, w), the frames of a clip one after the other.
        masks: (B, 1, 1, h, w) in 0..1, of first frames.
    """
    first = logits.unflatten(0, (len(masks), -1))[:, 0]
    return F.binary_cross_entropy_with_logits(first, masks[:, 0])


def mask_iou(logits: Tensor, masks: Tensor) -> float:
    """Mean over frames of the intersection over union at probability 0.5, in 0..1.

    A frame without an object counts by its background: the share of its pixels that are rightly empty.

    Args:
        logits: (N, h, w)
        masks: (N, h, w), 0 or 1.
    """
    predicted, truth = logits.sigmoid() > 0.5, masks > 0.5
    overlap = (predicted & truth).flatten(1).sum(1).double()
    union = (predicted | truth).flatten(1).sum(1)
    empty = ~truth.flatten(1).any(1)
    background = (~predicted).flatten(1).double().mean(1)
    return float(background.where(empty, overlap / union.clamp_min(1)).mean())
