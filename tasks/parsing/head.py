"""The heads of video parsing: what is heard and seen in each second, learned from the labels of whole clips."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from registry.errors import DataError
from registry.vocabulary import MODALITIES, Encode, Inputs, Modality, Outputs, Prediction, Targets, Width
from tasks.heads import widths_of
from tasks.task import Head

ORDER: tuple[Modality, ...] = ("audio", "visual")
"""Of the modalities in `Outputs`."""
THRESHOLD = 0.5
"""From this probability on an event is on: in its segment, and in the clip at all."""
VISUAL_CERTAINTY = 0.9
"""What labels of clips are trusted as labels of what is seen: 1 becomes 0.95 and 0 becomes 0.05. The published loss
trusts them of what is heard as they are, since most events of LLP are heard."""
SMALLEST = 1e-7
"""Probabilities are kept this far from 0 and 1 in the loss."""


class Readout(nn.Module):
    """Three linear maps of a segment: what is on, and how much the segment and its modality count for the clip."""

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.event, self.time_weight, self.modality_weight = (nn.Linear(dim, classes) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, 3, C), before sigmoid and softmax."""
        return torch.stack([self.event(x), self.time_weight(x), self.modality_weight(x)], dim=2)


def pool(audio: Tensor, visual: Tensor) -> Outputs:
    """Attentive multiple-instance pooling (section 4.3): readouts (B, T, 3, C) of both modalities -> probabilities.

    `segments` (B, T, 2, C), audio first; `audio`, `visual` and `clip` (B, C). A class has weights of its own, over the
    segments and over the modalities of a segment.
    """
    event, time, modality = torch.stack([audio, visual], dim=2).float().unbind(3)
    segments = event.sigmoid()
    weighed = time.softmax(1) * segments
    of_modality = weighed.sum(1)
    clip = (modality.softmax(2) * weighed).sum((1, 2))
    return {"segments": segments, "audio": of_modality[:, 0], "visual": of_modality[:, 1], "clip": clip}


class ParsingHead(Head):
    """What the heads of this task share: three losses of clips, and two thresholds.

    Args:
        apart: whether each modality is encoded without the other, so that no adapter carries an event across.
    """

    reads_tokens = False

    def __init__(self, apart: bool = False) -> None:
        super().__init__()
        self.apart = apart

    def features(self, encode: Encode, inputs: Inputs) -> dict[Modality, Tensor]:
        """Pictures (B, T, 3, S, S) -> pooled features (B, T, D) of both modalities."""
        if self.apart:
            return {m: encode({m: inputs[m]})[m].pooled.float() for m in MODALITIES}
        return {m: x.pooled.float() for m, x in encode({m: inputs[m] for m in MODALITIES}).items()}

    def loss(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Binary cross-entropy of `labels` (B, C) against each modality's pooled probabilities and the clip's."""
        labels = targets["labels"].float()
        seen = VISUAL_CERTAINTY * labels + (1 - VISUAL_CERTAINTY) / 2
        wanted = {"audio": labels, "visual": seen, "clip": labels}
        return {
            name: F.binary_cross_entropy(outputs[name].clamp(SMALLEST, 1 - SMALLEST), value)
            for name, value in wanted.items()
        }

    def active(self, outputs: Outputs) -> Tensor:
        """Whether each event is heard, then whether it is seen: -> (B, T, 2 * C) bool."""
        return self._on(outputs).flatten(2)

    def probabilities(self, outputs: Outputs) -> Tensor:
        """(B, T, 2 * C), what is heard first."""
        return outputs["segments"].flatten(2)

    def predict(self, outputs: Outputs, targets: Targets) -> list[Prediction]:
        """What is on and what is true, (2, C, T) bool, audio first; and the clip's labels, (C,) bool.

        Raises:
            DataError: clips of which only the labels are known, those of training.
        """
        if "audio" not in targets:
            raise DataError("these clips have labels and no events by second, so nothing can be scored on them.")
        found = self._on(outputs).permute(0, 2, 3, 1).cpu().numpy()
        truth = torch.stack([targets[m] for m in ORDER], dim=1).bool().cpu().numpy()
        labels = targets["labels"].bool().cpu().numpy()
        return [
            {"id": clip, "predicted": p, "truth": y, "labels": known}
            for clip, p, y, known in zip(targets["id"], found, truth, labels, strict=True)
        ]

    def _on(self, outputs: Outputs) -> Tensor:
        """(B, T, 2, C) bool"""
        return (outputs["segments"] >= THRESHOLD) & (outputs["clip"] >= THRESHOLD)[:, None, None]


class LinearParser(ParsingHead):
    """Features of a second to events through linear maps, of each modality its own, behind a layer norm.

    Linear on purpose: what it cannot read off the features, the adapter has to provide.
    """

    def __init__(self, dim: Width, classes: int, apart: bool = False) -> None:
        super().__init__(apart)
        width = widths_of(dim)
        self.readouts = nn.ModuleDict(
            {m: nn.Sequential(nn.LayerNorm(width[m]), Readout(width[m], classes)) for m in ORDER}
        )

    def forward(self, encode: Encode, inputs: Inputs) -> Outputs:
        """Pictures (B, T, 3, S, S) -> probabilities, see `pool`."""
        features = self.features(encode, inputs)
        return pool(*(self.readouts[m](features[m]) for m in ORDER))
