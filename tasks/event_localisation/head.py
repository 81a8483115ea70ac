"""The default head of event localisation: one linear layer on both modalities of a segment."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from registry.vocabulary import MODALITIES, Encode, Inputs, Outputs, Prediction, Targets
from tasks.task import Head


class SegmentClassifier(Head):
    """Visual and audio features of a segment, side by side, to class logits.

    Linear on purpose: what it cannot read off the features, the adapter has to provide.
    """

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.ModuleDict({m: nn.LayerNorm(dim) for m in MODALITIES})
        self.classify = nn.Linear(2 * dim, classes)

    def forward(self, encode: Encode, inputs: Inputs) -> Outputs:
        """Pictures (B, T, 3, S, S) of both modalities -> `logits` (B, T, C)."""
        features = encode({m: inputs[m] for m in MODALITIES})
        both = torch.cat([self.norm[m](features[m].pooled.float()) for m in MODALITIES], dim=-1)
        return {"logits": self.classify(both)}

    def loss(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Cross-entropy over segments; `labels` (B, T)."""
        return {"cross_entropy": F.cross_entropy(outputs["logits"].flatten(0, 1), targets["labels"].flatten())}

    def predict(self, outputs: Outputs, targets: Targets) -> list[Prediction]:
        """Predicted and true class of each segment."""
        predicted, labels = outputs["logits"].argmax(-1).cpu(), targets["labels"].cpu()
        return [
            {"id": clip, "predicted": p.tolist(), "labels": y.tolist()}
            for clip, p, y in zip(targets["id"], predicted, labels, strict=True)
        ]
