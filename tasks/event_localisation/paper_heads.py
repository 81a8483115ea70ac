"""The event-localisation heads of the papers, layer by layer as their authors' code has them."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from registry.vocabulary import MODALITIES, Encode, Inputs, Modality, Outputs, Targets, Width
from tasks.event_localisation.head import SegmentHead
from tasks.heads import side_by_side, widths_of

HIDDEN = 512
"""Width of the layer between features and classes in both papers."""


class StgCmaClassifier(SegmentHead):
    """STG-CMA's head: two linear layers with dropout between and no activation, on `[audio, visual]`.

    One stream alone goes through a layer norm and one linear layer. Weights start truncated normal of deviation 0.02,
    biases at zero.
    """

    def __init__(
        self,
        dim: Width,
        classes: int,
        modalities: Sequence[Modality] = MODALITIES,
        label_smoothing: float = 0.0,
        hidden: int = HIDDEN,
    ) -> None:
        super().__init__(label_smoothing)
        self.order: tuple[Modality, ...] = ("audio", "visual") if len(modalities) == 2 else tuple(modalities)
        width = sum(widths_of(dim)[m] for m in self.order)
        self.classify = (
            nn.Sequential(nn.Linear(width, hidden), nn.Dropout(0.5), nn.Linear(hidden, classes))
            if len(self.order) == 2
            else nn.Sequential(nn.LayerNorm(width), nn.Linear(width, classes))
        )
        for layer in self.classify:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def forward(self, encode: Encode, inputs: Inputs) -> Outputs:
        """Pictures (B, T, 3, S, S) of its modalities -> `logits` (B, T, C)."""
        return {"logits": self.classify(side_by_side(self.order, encode, inputs))}


class LavishClassifier(SegmentHead):
    """LAVISH's head: two linear layers without activation, and binary cross-entropy on softmax probabilities.

    One stream alone goes through the same layers at its own width.

    Args:
        modalities: also the order of their features: visual first as on Swin; on ViT the authors put audio first.
    """

    def __init__(
        self, dim: Width, classes: int, modalities: Sequence[Modality] = MODALITIES, hidden: int = HIDDEN
    ) -> None:
        super().__init__()
        self.order = tuple(modalities)
        width = sum(widths_of(dim)[m] for m in self.order)
        self.classify = nn.Sequential(nn.Linear(width, hidden), nn.Linear(hidden, classes))

    def forward(self, encode: Encode, inputs: Inputs) -> Outputs:
        """Pictures (B, T, 3, S, S) of its modalities -> `logits` (B, T, C)."""
        return {"logits": self.classify(side_by_side(self.order, encode, inputs))}

    def loss(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Binary cross-entropy of every class of every segment, as published; `labels` (B, T)."""
        probabilities = outputs["logits"].softmax(-1)
        truth = F.one_hot(targets["labels"], probabilities.shape[-1]).to(probabilities.dtype)
        return {"binary_cross_entropy": F.binary_cross_entropy(probabilities, truth)}
