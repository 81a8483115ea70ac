"""The head of retrieval: each modality is encoded alone and projected to a shared space."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from registry.vocabulary import MODALITIES, Encode, Inputs, Outputs, Prediction, Targets
from tasks.task import Head

LARGEST_SCALE = 100.0
"""The bound on the inverse temperature, as in CLIP."""


class SharedSpace(Head):
    """A linear projection for each modality, trained by symmetric InfoNCE with a learnable temperature.

    Clips are as similar as their segments on average, each compared with the one of the same second (the diagonal mean
    of CAV-MAE Sync), so that the course of events counts. An embedding is its segments' unit vectors side by side.
    """

    reads_tokens = False

    def __init__(self, dim: int, width: int = 64) -> None:
        super().__init__()
        self.norm = nn.ModuleDict({m: nn.LayerNorm(dim) for m in MODALITIES})
        self.project = nn.ModuleDict({m: nn.Linear(dim, width) for m in MODALITIES})
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def forward(self, encode: Encode, inputs: Inputs) -> Outputs:
        """Pictures (B, T, 3, S, S) -> unit vectors `visual`, `audio` (B, T * width), neither having seen the other."""
        embedded = {}
        for m in MODALITIES:
            features = encode({m: inputs[m]})[m].pooled.float()
            segments = F.normalize(self.project[m](self.norm[m](features)), dim=-1)
            embedded[m] = segments.flatten(1) / segments.shape[1] ** 0.5
        return {"visual": embedded["visual"], "audio": embedded["audio"]}

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
