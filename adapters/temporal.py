"""What STG-CMA adds along time: a bottleneck over reused attention, and two ways to tell segments apart."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from adapters.parts import PER_POSITION, Bottleneck, drop_path
from registry import UserError


class TemporalEmbedding(nn.Module):
    """A learned vector for each segment, zero at start, added to all tokens of that segment."""

    def __init__(self, segments: int, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(segments, 1, dim))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, L, D) -> (B, T, L, D)"""
        _check_segments(x, len(self.weight))
        return x + self.weight.to(x.dtype)


class TemporalBias(nn.Module):
    """A learned bias for each head and each distance in time, between -(T - 1) and T - 1 segments."""

    def __init__(self, segments: int, heads: int) -> None:
        super().__init__()
        self.segments = segments
        self.table = nn.Parameter(torch.empty(2 * segments - 1, heads))
        nn.init.trunc_normal_(self.table, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """The bias for the segments of x (B, T, L, D): (H, T, T), query before key."""
        _check_segments(x, self.segments)
        segment = torch.arange(self.segments, device=self.table.device)
        distance = segment[:, None] - segment[None, :] + self.segments - 1
        return self.table[distance].permute(2, 0, 1)


class TemporalAdapter(nn.Module):
    """A bottleneck over the block's frozen attention, run along time instead of space.

    Args:
        drop: rate of stochastic depth.
        apart: the axes along which that draws anew, each clip and token position by default.
    """

    def __init__(
        self,
        dim: int,
        hidden: int,
        bias: TemporalBias | None = None,
        drop: float = 0.0,
        apart: tuple[int, ...] = PER_POSITION,
    ) -> None:
        super().__init__()
        self.bottleneck = Bottleneck(dim, hidden)
        self.bias = bias
        self.drop, self.apart = drop, apart

    def attention_bias(self, x: Tensor) -> Tensor | None:
        """What to add to the logits of attention along the time of x (B, T, L, D): (H, T, T), or nothing."""
        return None if self.bias is None else self.bias(x)

    def forward(self, attended: Tensor) -> Tensor:
        """The output of attention along time to the update of its stream: (B, T, L, D) -> (B, T, L, D)"""
        return drop_path(self.bottleneck(attended), self.drop, self.training, self.apart)


def _check_segments(x: Tensor, segments: int) -> None:
    if x.shape[1] != segments:
        raise UserError(
            f"clips have {x.shape[1]} segments, but the adapter was built for segments={segments}; "
            f"set segments={x.shape[1]}."
        )
