"""The head of retrieval: each modality is encoded alone and projected to a shared space."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from registry.vocabulary import MODALITIES, Encode, Inputs, Modality, Outputs, Prediction, Targets, Width
from tasks.heads import widths_of
from tasks.task import Head

LARGEST_SCALE = 100.0
"""The bound on the inverse temperature, as in CLIP."""


class SharedSpace(Head):
    """A linear projection for each modality, trained by symmetric InfoNCE with a learnable temperature.

    Clips are as similar as their segments on average, each compared with the one of the same second (the diagonal mean
    of CAV-MAE Sync), so that the course of events counts. An embedding is its segments' unit vectors side by side.
    """

    reads_tokens = False

    def __init__(self, dim: Width, width: int = 64) -> None:
        super().__init__()
        widths = widths_of(dim)
        self.norm = nn.ModuleDict({m: nn.LayerNorm(widths[m]) for m in MODALITIES})
        self.project = nn.ModuleDict({m: nn.Linear(widths[m], width) for m in MODALITIES})
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def forward(self, encode: Encode, inputs: Inputs) -> Outputs:
        """Pictures (B, T, 3, S, S) -> unit vectors `visual`, `audio` (B, T * width), neither having seen the other."""
        embedded = {m: self.join_segments(self.embed(encode, inputs[m], m)) for m in MODALITIES}
        return {"visual": embedded["visual"], "audio": embedded["audio"]}

    def embed(self, encode: Encode, picture: Tensor, modality: Modality) -> Tensor:
        """Unit vectors of the segments in the shared space: (B, T, 3, S, S') -> (B, T, width)."""
        features = super().embed(encode, picture, modality)
        return F.normalize(self.project[modality](self.norm[modality](features)), dim=-1)

    def join_segments(self, segments: Tensor) -> Tensor:
        """Side by side, as a unit vector: (B, T, width) -> (B, T * width)."""
        return segments.flatten(1) / segments.shape[1] ** 0.5

    def probabilities(self, outputs: Outputs) -> Tensor:
        """No probability: the cosine similarity of a clip's own sight and sound, (B, 1, 1)."""
        return (outputs["visual"] * outputs["audio"]).sum(-1)[:, None, None]

    def loss(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Symmetric InfoNCE over the pairs of the batch."""
        scale = self.log_scale.exp().clamp(max=LARGEST_SCALE)
        logits = scale * outputs["visual"] @ outputs["audio"].T
        pair = torch.arange(len(logits), device=logits.device)
        return {"info_nce": (F.cross_entropy(logits, pair) + F.cross_entropy(logits.T, pair)) / 2}

    def predict(self, outputs: Outputs, targets: Targets) -> list[Prediction]:
        """Both embeddings of each clip, and its class where it has one."""
        visual, audio = outputs["visual"].float().cpu(), outputs["audio"].float().cpu()
        classes = (
            [{"category": c} for c in targets["category"].tolist()] if "category" in targets else [{}] * len(visual)
        )
        return [
            {"id": clip, "visual": v.numpy(), "audio": a.numpy(), **category}
            for clip, v, a, category in zip(targets["id"], visual, audio, classes, strict=True)
        ]
