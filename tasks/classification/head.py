"""The head of clip classification: one linear layer on the mean of a clip's segments."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from registry.vocabulary import MODALITIES, Encode, Inputs, Modality, Outputs, Prediction, Targets, Width
from tasks.heads import joined, widths_of
from tasks.task import Head


class ClipClassifier(Head):
    """Features of all modalities side by side, their mean over segments, to class logits."""

    reads_tokens = False

    def __init__(self, dim: Width, classes: int, modalities: Sequence[Modality] = MODALITIES) -> None:
        super().__init__()
        widths = widths_of(dim)
        self.norm = nn.ModuleDict({m: nn.LayerNorm(widths[m]) for m in modalities})
        self.classify = nn.Linear(sum(widths[m] for m in modalities), classes)

    def forward(self, encode: Encode, inputs: Inputs) -> Outputs:
        """Pictures (B, T, 3, S, S) of its modalities -> `logits` (B, C)."""
        return {"logits": self.classify(joined(self.norm, encode, inputs).mean(dim=1))}

    def loss(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Cross-entropy over clips; `category` (B,)."""
        return {"cross_entropy": F.cross_entropy(outputs["logits"], targets["category"])}

    def predict(self, outputs: Outputs, targets: Targets) -> list[Prediction]:
        """Class probabilities and true class of each clip."""
        probabilities = outputs["logits"].softmax(-1).cpu().numpy()
        return [
            {"id": clip, "probabilities": row, "category": category}
            for clip, row, category in zip(targets["id"], probabilities, targets["category"].tolist(), strict=True)
        ]
