"""Rotary positions, and projections that a library keeps in several pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from backbones.attention import DotProduct
from backbones.kernels.linear import multiply
from registry.errors import UserError

Grid = tuple[int, int]


class Rotary(nn.Module):
    """The tables of one model, computed once for each grid of patches that its pictures have.

    Args:
        table_of: sines and cosines of a grid of (rows, columns): (rows · columns, 2d), as timm lays them out.
        grids: those of frames and of sound.
        prefix: tokens in front that are no patches, and are not rotated.
        halves: whether a pair lies half a head apart (RoFormer's other layout) rather than side by side.

    Raises:
        UserError: two grids of as many patches, which their tokens cannot tell apart.
    """

    def __init__(
        self, table_of: Callable[[Grid], Tensor], grids: Iterable[Grid], prefix: int, halves: bool = False
    ) -> None:
        super().__init__()
        self.prefix, self.halves = prefix, halves
        self._grids: dict[int, Grid] = {}
        for grid in grids:
            if self._grids.setdefault(grid[0] * grid[1], grid) != grid:
                other = self._grids[grid[0] * grid[1]]
                raise UserError(
                    f"frames of {other[0]} x {other[1]} patches and sound pictures of {grid[0]} x {grid[1]} have as "
                    "many patches, which rotary positions cannot tell apart; change frames or mel_bands."
                )
        for patches, grid in self._grids.items():
            self.register_buffer(f"table_{patches}", table_of(grid).float(), persistent=False)

    def forward(self, x: Tensor, tokens: int) -> Tensor:
        """Rotate the patches among the first tokens: (…, l, d) -> (…, l, d).

        Args:
            tokens: of the picture; what follows them has no place in it.
        """
        table = getattr(self, f"table_{tokens - self.prefix}", None)
        if table is None:
            known = ", ".join(f"{rows} x {columns}" for rows, columns in self._grids.values())
            raise UserError(f"{tokens} tokens are not those of a picture of {known} patches, as rotary positions need.")
        front, patches, rest = x[..., : self.prefix, :], x[..., self.prefix : tokens, :], x[..., tokens:, :]
        sines, cosines = table.chunk(2, -1)
        turned = patches * cosines + self._quarter_turned(patches) * sines
        return torch.cat((front, turned.to(x.dtype), rest), dim=-2)

    def _quarter_turned(self, x: Tensor) -> Tensor:
        if self.halves:
            first, second = x.chunk(2, -1)
            return torch.cat((-second, first), -1)
        return torch.stack((-x[..., 1::2], x[..., ::2]), -1).flatten(-2)


class RotaryDotProduct(DotProduct):
    """Queries and keys rotated by where their patch lies, then compared by their scaled dot product (RoFormer)."""

    def __init__(self, scale: float, rotary: Rotary, q_norm: nn.Module, k_norm: nn.Module) -> None:
        super().__init__(scale, q_norm, k_norm)
        self.rotary = rotary

    def forward(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """What the logits are products of: (…, H, l, d), (…, H, m, d) -> same shapes; the first l keys are patches."""
        q, k = super().forward(q, k)
        return self.rotary(q, q.shape[-2]), self.rotary(k, q.shape[-2])

    def over_time(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Of one patch at several times, which all lie at the same place."""
        return super().forward(q, k)


class JoinedLinear(nn.Module):
    """Several linear maps of one input as one, their outputs one after the other; nothing is copied.

    Args:
        parts: D_in -> D_out each.
    """

    parts: Any

    def __init__(self, parts: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.in_features = parts[0].in_features
        self.out_features = sum(part.out_features for part in parts)

    def forward(self, x: Tensor) -> Tensor:
        """(…, D_in) -> (…, sum of D_out)"""
        return torch.cat([multiply(x, part.weight, part.bias) for part in self.parts], dim=-1)


class NormedLinear(nn.Module):
    """A linear map behind a norm of its input."""

    def __init__(self, norm: nn.Module, linear: nn.Linear) -> None:
        super().__init__()
        self.norm, self.linear = norm, linear
        self.in_features, self.out_features = linear.in_features, linear.out_features

    def forward(self, x: Tensor) -> Tensor:
        """(…, D_in) -> (…, D_out)"""
        return multiply(self.norm(x), self.linear.weight, self.linear.bias)


class Gate(nn.Module):
    """One half of the features, activated, times the other (SwiGLU, arXiv 2002.05202)."""

    def __init__(self, activation: nn.Module, last: bool = False) -> None:
        super().__init__()
        self.activation, self.last = activation, last

    def forward(self, x: Tensor) -> Tensor:
        """(…, 2D) -> (…, D)

        `last`: the second half is the gate.
        """
        first, second = x.chunk(2, -1)
        return first * self.activation(second) if self.last else self.activation(first) * second


class Scale(nn.Module):
    """A learned factor for each feature (layer scale)."""

    def __init__(self, gamma: nn.Parameter) -> None:
        super().__init__()
        self.gamma = gamma

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) -> (…, D)"""
        return x * self.gamma


def scale_of(gamma: nn.Parameter | None) -> nn.Module:
    """Layer scale, or nothing where a model has none."""
    return nn.Identity() if gamma is None else Scale(gamma)


def grids_of(pictures: Iterable[Grid], patch: Grid) -> list[Grid]:
    """Rows and columns of patches of pictures of rows and columns of pixels; what fills no patch is dropped."""
    return [(rows // patch[0], columns // patch[1]) for rows, columns in pictures]
