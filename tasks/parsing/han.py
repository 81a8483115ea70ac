"""The published head of video parsing: a hybrid attention network before the pooling (ECCV 2020, section 4.2)."""

from __future__ import annotations

from torch import Tensor, nn

from registry.vocabulary import PARTNER, Encode, Inputs, Modality, Outputs, Width
from tasks.heads import widths_of
from tasks.parsing.head import ORDER, ParsingHead, Readout, pool

WIDTH = 512
DROPOUT = 0.1


class HybridAttention(nn.Module):
    """One layer in which a stream attends to itself and to its partner at once, with the same weights for both streams.

    Args:
        dim: width.
        hidden: width within the two-layer network.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.cross, self.own = (nn.MultiheadAttention(dim, 1, dropout=DROPOUT, batch_first=True) for _ in range(2))
        self.mlp1, self.mlp2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor, partner: Tensor) -> Tensor:
        """(B, T, D), (B, T, D) -> (B, T, D)"""
        heard = self.cross(x, partner, partner, need_weights=False)[0]
        own = self.own(x, x, x, need_weights=False)[0]
        x = self.norm1(x + self.dropout(heard) + self.dropout(own))
        hidden = self.dropout(self.mlp1(x).relu())
        normed: Tensor = self.norm2(x + self.dropout(self.mlp2(hidden)))
        return normed


class HanHead(ParsingHead):
    """HAN on features of a frozen backbone: a linear map of each stream takes the place of its input layers.

    Args:
        dim: width of the features.
        width, hidden: within the layer; smaller ones in golden files.
    """

    def __init__(self, dim: Width, classes: int, apart: bool = False, width: int = WIDTH, hidden: int = WIDTH) -> None:
        super().__init__(apart)
        self.project = nn.ModuleDict({m: nn.Linear(widths_of(dim)[m], width) for m in ORDER})
        self.attention = HybridAttention(width, hidden)
        self.readout = Readout(width, classes)

    def forward(self, encode: Encode, inputs: Inputs) -> Outputs:
        """Pictures (B, T, 3, S, S) -> probabilities, see `pool`."""
        return self.parse({m: self.project[m](x) for m, x in self.features(encode, inputs).items()})

    def parse(self, streams: dict[Modality, Tensor]) -> Outputs:
        """Projected features (B, T, width) of both modalities -> probabilities. Both read what the other was before."""
        found = {m: self.attention(x, streams[PARTNER[m]]) for m, x in streams.items()}
        return pool(*(self.readout(found[m]) for m in ORDER))
