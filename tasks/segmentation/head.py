"""What every segmentation head shares, and the default one: each token draws its own patch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from registry.vocabulary import MODALITIES, Encode, Features, Inputs, Modality, Outputs, Prediction, Stage, Targets
from tasks.segmentation.losses import pixel_loss
from tasks.segmentation.metrics import count_frames
from tasks.task import Head


def as_map(tokens: Tensor) -> Tensor:
    """The patches of square frames as a map, class tokens left out: (B, T, L, D) -> (N, D, g, g), N = B · T."""
    side = isqrt(tokens.shape[2])
    return tokens[:, :, -side * side :].flatten(0, 1).transpose(1, 2).unflatten(2, (side, side))


class SegmentationHead(Head):
    """Logits of every pixel, trained on annotated frames; masks come from vision alone unless a head says otherwise.

    Args:
        modalities: what is encoded together; without sound an adapter has nothing to exchange.
        side: M, of masks.
    """

    reads_tokens = False
    reads_stages: frozenset[Modality] = frozenset({"visual"})

    def __init__(self, side: int, modalities: Sequence[Modality] = MODALITIES) -> None:
        super().__init__()
        self.side, self.modalities = side, tuple(modalities)

    def encoded(self, encode: Encode, inputs: Inputs) -> dict[Modality, Features]:
        """Features of the modalities that this head has."""
        return encode({m: inputs[m] for m in self.modalities})

    def fitted(self, logits: Tensor, segments: int) -> Tensor:
        """Logits in the size of masks: (N, 1, h, w) -> (B, T, M, M)."""
        if logits.shape[-1] != self.side:
            logits = F.interpolate(logits.float(), size=(self.side, self.side), mode="bilinear", align_corners=False)
        return logits[:, 0].unflatten(0, (-1, segments))

    def loss(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Cross-entropy of the pixels of annotated frames; `masks` (B, T, M, M) and `annotated` (B, T)."""
        return {"cross_entropy": pixel_loss(outputs["logits"], targets["masks"], targets["annotated"])}

    def probabilities(self, outputs: Outputs) -> Tensor:
        """Share of the pixels of each frame that are marked: -> (B, T, 1)."""
        return self.masks(outputs).float().mean((-2, -1)).unsqueeze(-1)

    def masks(self, outputs: Outputs) -> Tensor:
        return outputs["logits"] > 0

    def predict(self, outputs: Outputs, targets: Targets) -> list[Prediction]:
        """What the scores need of each clip's annotated frames, `counts`; masks are too large to be kept."""
        logits, masks, annotated = outputs["logits"], targets["masks"], targets["annotated"]
        kinds: Iterable[int] = targets["category"].tolist() if "category" in targets else [-1] * len(logits)
        return [
            {"id": clip, "category": kind, "counts": count_frames(drawn[kept], true[kept])}
            for clip, kind, drawn, true, kept in zip(targets["id"], kinds, logits, masks, annotated, strict=True)
        ]


class PatchDrawer(SegmentationHead):
    """Each token of each stage draws its own patch at half resolution; stages add up, and are drawn larger.

    Linear in the normed features, and blind to sound: what sound has to say must come through the adapter.
    """

    def __init__(self, stages: Sequence[Stage], side: int, modalities: Sequence[Modality] = MODALITIES) -> None:
        super().__init__(side, modalities)
        self.norm = nn.ModuleList(nn.LayerNorm(stage.width) for stage in stages)
        self.draw = nn.ModuleList(nn.Linear(stage.width, ((stage.patch + 1) // 2) ** 2) for stage in stages)

    def forward(self, encode: Encode, inputs: Inputs) -> Outputs:
        """Pictures (B, T, 3, S, S) -> `logits` (B, T, M, M)."""
        stages = self.encoded(encode, inputs)["visual"].stages
        drawn = [
            _drawn(draw(norm(tokens.float()))) for tokens, norm, draw in zip(stages, self.norm, self.draw, strict=True)
        ]
        return {"logits": self.fitted(torch.stack(drawn).sum(0), stages[0].shape[1])}


def _drawn(patches: Tensor) -> Tensor:
    """(B, T, L, k²) -> (N, 1, k g, k g)"""
    return F.pixel_shuffle(as_map(patches.float()), isqrt(patches.shape[-1]))
