"""The heads of event localisation: features of a segment to class logits, by default through one linear layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from registry.vocabulary import MODALITIES, Encode, Inputs, Modality, Outputs, Prediction, Targets, Width
from tasks.heads import joined, widths_of
from tasks.task import Head


class SegmentHead(Head):
    """What every head of this task shares: cross-entropy over segments, and the most likely class of each.

    Args:
        label_smoothing: share of each target that is spread over all classes, 0 to below 1.
    """

    reads_tokens = False

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def loss(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Cross-entropy over segments; `labels` (B, T)."""
        logits, labels = outputs["logits"].flatten(0, 1), targets["labels"].flatten()
        return {"cross_entropy": F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)}

    def predict(self, outputs: Outputs, targets: Targets) -> list[Prediction]:
        """Predicted and true class of each segment, and the probability of each class."""
        predicted, labels = outputs["logits"].argmax(-1).cpu(), targets["labels"].cpu()
        probabilities = outputs["logits"].detach().float().softmax(-1).cpu().tolist()
        return [
            {"id": clip, "predicted": p.tolist(), "labels": y.tolist(), "probabilities": row}
            for clip, p, y, row in zip(targets["id"], predicted, labels, probabilities, strict=True)
        ]


class SegmentClassifier(SegmentHead):
    """Features of a segment, those of all modalities side by side, to class logits.

    Linear on purpose: what it cannot read off the features, the adapter has to provide.
    """

    def __init__(
        self, dim: Width, classes: int, modalities: Sequence[Modality] = MODALITIES, label_smoothing: float = 0.0
    ) -> None:
        super().__init__(label_smoothing)
        widths = widths_of(dim)
        self.norm = nn.ModuleDict({m: nn.LayerNorm(widths[m]) for m in modalities})
        self.classify = nn.Linear(sum(widths[m] for m in modalities), classes)

    def forward(self, encode: Encode, inputs: Inputs) -> Outputs:
        """Pictures (B, T, 3, S, S) of its modalities -> `logits` (B, T, C)."""
        return {"logits": self.classify(joined(self.norm, encode, inputs))}
