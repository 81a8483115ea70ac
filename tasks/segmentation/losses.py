"""What segmentation is trained on: cross-entropy of pixels, and AVSBench's matching of sound and masked vision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Pooling = Literal["avg", "max"]
Distance = Literal["kl", "euclidean"]


def pixel_loss(logits: Tensor, masks: Tensor, annotated: Tensor) -> Tensor:
    """Binary cross-entropy, the mean over all pixels of annotated frames.

    With the first frame of each clip annotated it is the published loss of single sources (S4), with all frames that of
    several (MS3). In logits, so that saturated pixels keep a gradient, which the published code loses from 17 on.

    Args:
        logits: (B, T, h, w)
        masks: (B, T, h, w), 0 or 1.
        annotated: (B, T) bool.
    """
    return F.binary_cross_entropy_with_logits(logits[annotated], masks[annotated].to(logits.dtype))


def audio_matching(
    logits: Tensor,
    maps: Sequence[Tensor],
    sounds: Sequence[Tensor],
    *,
    pool: Pooling = "avg",
    distance: Distance = "kl",
    normalised: bool = False,
    hard: bool = False,
    against: Literal["sound", "vision"] = "sound",
) -> Tensor:
    """How far what a mask shows is from what is heard (AVM of AVSBench's MS3), the mean over stages.

    The defaults are those of the published command. The KL divergence is summed over frames, so its weight grows with
    the batch.

    Args:
        logits: (N, 1, H, W), the frames of a batch.
        maps: of each stage (N, C, h, w), rectified.
        sounds: of each stage (N, C).
        pool: how logits become a mask of the stage's size, before their sigmoid.
        normalised: whether both vectors are scaled to length 1 first.
        hard: a mask of 0 and 1, and the mean over it; without it the mean over all pixels, weighted by a soft mask.
        against: the frame's own sound, or the masked vision of the frame whose sound is nearest.
    """
    terms = []
    for visual, sound in zip(maps, sounds, strict=True):
        mask = _pooled(logits, visual, pool).sigmoid()
        shown = _mean_over(visual, (mask > 0.5).to(visual.dtype)) if hard else (visual * mask).mean((-2, -1))
        if normalised:
            shown, sound = F.normalize(shown, dim=-1), F.normalize(sound, dim=-1)
        target = sound if against == "sound" else shown[_nearest(sound)]
        if distance == "euclidean":
            terms.append(F.pairwise_distance(target, shown).mean())
        else:
            terms.append(F.kl_div(shown.log_softmax(-1), target.softmax(-1), reduction="sum"))
    return torch.stack(terms).mean()


def cosine_matching(logits: Tensor, maps: Sequence[Tensor], sounds: Sequence[Tensor], pool: Pooling = "avg") -> Tensor:
    """The matching that AVSBench's code offers for single sources (S4) and its scripts leave off; see `audio_matching`.

    -log of the rectified cosine between a sound and the mean over a hard mask, which comes from pooled probabilities.
    """
    terms = []
    for visual, sound in zip(maps, sounds, strict=True):
        mask = _pooled(logits.sigmoid(), visual, pool) > 0.5
        cosine = F.cosine_similarity(_mean_over(visual, mask.to(visual.dtype)), sound, dim=-1)
        terms.append(-(cosine.relu() + 1e-6).log().mean())
    return torch.stack(terms).mean()


def _pooled(pictures: Tensor, like: Tensor, pool: Pooling) -> Tensor:
    reduce = F.adaptive_avg_pool2d if pool == "avg" else F.adaptive_max_pool2d
    return reduce(pictures, (like.shape[-2], like.shape[-1]))


def _mean_over(visual: Tensor, mask: Tensor) -> Tensor:
    """(N, C, h, w), (N, 1, h, w) -> (N, C)"""
    return (visual * mask).sum((-2, -1)) / (mask.sum((-2, -1)) + 1e-6)


def _nearest(sounds: Tensor) -> Tensor:
    """The frame with the nearest other sound, or a frame itself where all others are further than 10: (N, C) -> (N,)"""
    apart = torch.cdist(sounds, sounds, compute_mode="donot_use_mm_for_euclid_dist")
    return (apart + 10 * torch.eye(len(sounds), device=sounds.device)).argmin(-1)
