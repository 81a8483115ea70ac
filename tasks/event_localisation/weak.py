"""Weak supervision: training knows which event a clip has, never when (AVE, ECCV 2018, section 4.3)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from registry.vocabulary import Encode, Inputs, Outputs, Prediction, Targets
from tasks.task import Head


class WeakSupervision(Head):
    """Any head of segments, trained by multiple-instance learning instead of by its own loss.

    The mean of a clip's segment logits is its clip logit, and cross-entropy holds that against the clip's class.
    Predictions are the segments' own, so the score is the fully supervised one's: segment accuracy. Background is
    learned only from clips without an event, of which AVE's own lists have one: its authors train on 178 more, known
    to us as features only, for which `backgroundSet.txt` stands in (option `background`).
    """

    def __init__(self, segments: Head) -> None:
        super().__init__()
        self.segments = segments
        self.reads_pictures, self.reads_tokens = segments.reads_pictures, segments.reads_tokens

    def forward(self, encode: Encode, inputs: Inputs) -> Outputs:
        """The outputs of the segments' head, `logits` (B, T, C) among them."""
        return self.segments(encode, inputs)

    def loss(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Cross-entropy of clips; `category` (B,)."""
        return {"cross_entropy": F.cross_entropy(outputs["logits"].mean(dim=1), targets["category"])}

    def predict(self, outputs: Outputs, targets: Targets) -> list[Prediction]:
        return self.segments.predict(outputs, targets)

    def probabilities(self, outputs: Outputs) -> Tensor:
        return self.segments.probabilities(outputs)

    def lr_scale(self) -> dict[nn.Parameter, float]:
        return self.segments.lr_scale()
