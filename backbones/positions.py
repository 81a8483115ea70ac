"""Pretrained position embeddings, fitted to grids of patches other than the native one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from registry.errors import unknown

Grid = tuple[int, int]
Policy = Callable[[Tensor, int, Grid, Grid], Tensor]


class Positions(nn.Module):
    """A pretrained table of positions, used as it is on its native grid and fitted by a policy on any other.

    Args:
        table: (…, prefix + rows · columns, D)
        grid: rows and columns of the native grid.
        prefix: how many leading entries belong to tokens that are no patches.
        policy: a name in `POLICIES`.
    """

    def __init__(self, table: nn.Parameter, grid: Grid, prefix: int, policy: str) -> None:
        super().__init__()
        if policy not in POLICIES:
            raise unknown("position policy", policy, POLICIES)
        self.table, self.grid, self.prefix, self.policy = table, grid, prefix, policy

    def forward(self, grid: Grid) -> tuple[Tensor, Tensor]:
        """Positions of the prefix (p, D) and of the patches (rows · columns, D)."""
        table = self.table.reshape(-1, self.table.shape[-1])
        if grid != self.grid:
            table = POLICIES[self.policy](table, self.prefix, self.grid, grid)
        return table[: self.prefix], table[self.prefix :]

    def fitted(self, grid: Grid) -> Positions:
        """A table of its own for another native grid, with the values that this one has there."""
        with torch.no_grad():
            table = torch.cat(self(grid)).clone()
        return Positions(nn.Parameter(table), grid, self.prefix, self.policy)


def _resample(table: Tensor, prefix: int, native: Grid, grid: Grid) -> Tensor:
    fitted = F.interpolate(_as_picture(table[prefix:], native), grid, mode="bilinear")
    return _with_prefix(table, prefix, fitted)


def _crop(table: Tensor, prefix: int, native: Grid, grid: Grid) -> Tensor:
    # The published code lays patches out time-major and these positions frequency-major.
    frames, bands = grid
    fitted = _crop_or_stretch(_as_picture(table[prefix:], native), (bands, frames), order=(1, 0))
    return _with_prefix(table, prefix, fitted)


def _crop_aligned(table: Tensor, prefix: int, native: Grid, grid: Grid) -> Tensor:
    fitted = _crop_or_stretch(_as_picture(table[prefix:], native), grid, order=(0, 1))
    return _with_prefix(table, prefix, fitted)


def _linear(table: Tensor, prefix: int, native: Grid, grid: Grid) -> Tensor:
    length = prefix + grid[0] * grid[1]
    if length == len(table):
        return table
    return F.interpolate(table.T[None], length, mode="linear")[0].T


def _crop_or_stretch(picture: Tensor, target: Grid, order: Grid) -> Tensor:
    """Along each axis in turn, the middle where the target is smaller, else bilinear: (1, D, g, g') -> (1, D, a, b)."""
    for axis in order:
        side, wanted = picture.shape[2 + axis], target[axis]
        if wanted <= side:
            picture = picture.narrow(2 + axis, side // 2 - wanted // 2, wanted)
        else:
            size = (wanted, picture.shape[3]) if axis == 0 else (picture.shape[2], wanted)
            picture = F.interpolate(picture, size, mode="bilinear")
    return picture


def _as_picture(table: Tensor, grid: Grid) -> Tensor:
    """(rows · columns, D) -> (1, D, rows, columns)"""
    return table.T.unflatten(1, grid)[None]


def _with_prefix(table: Tensor, prefix: int, picture: Tensor) -> Tensor:
    return torch.cat((table[:prefix], picture[0].flatten(1).T))


POLICIES: dict[str, Policy] = {"resample": _resample, "crop": _crop, "crop_aligned": _crop_aligned, "linear": _linear}
"""How positions fit a grid that is not the native one.

`resample`: bilinear over rows and columns. `crop`: the middle of each axis, or bilinear where it is too short, laid out
with time and frequency exchanged as STG-CMA published it. `crop_aligned`: the same with each position on its own patch.
`linear`: the whole sequence, prefix included, resized in one dimension (LAVISH).
"""
