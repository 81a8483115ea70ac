"""From pixels to the first tokens: patches, prefix tokens, positions."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backbones.pictures import SoundPicture
from registry.errors import UserError, unknown


class PatchStem(nn.Module):
    """The pretrained stem of a vision transformer.

    Rows and columns that fill no patch are dropped, as both papers do with sound pictures of 102 rows.

    Args:
        project: one token for each patch, kernel equal to stride.
        patch_norm: over the tokens of patches.
        prefix: class and register tokens, each (…, D).
        positions: added to patches, and to prefix tokens where the table has entries for them.
        exact: rows and columns of the only pictures taken; None takes any of at least one patch.
    """

    def __init__(
        self,
        project: nn.Conv2d,
        *,
        patch_norm: nn.Module | None = None,
        prefix: Sequence[nn.Parameter] = (),
        positions: Positions | None = None,
        exact: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.project, self.prefix, self.positions = project, nn.ParameterList(prefix), positions
        self.patch_norm = patch_norm or nn.Identity()
        self.exact = exact

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 3, S, S') -> (N, L, D); one channel instead of three behind `for_sound`.

        Raises:
            UserError: pictures of a size that this stem does not take.
        """
        self.check(pictures.shape[-2], pictures.shape[-1])
        patches = self.project(pictures)
        grid = (patches.shape[-2], patches.shape[-1])
        patches = self.patch_norm(patches.flatten(2).transpose(1, 2))
        prefix = [token.reshape(-1, patches.shape[-1]) for token in self.prefix]
        if self.positions is not None:
            prefix_positions, patch_positions = self.positions(grid)
            patches = patches + patch_positions
            prefix = [torch.cat(prefix) + prefix_positions] if len(prefix_positions) else prefix
        tokens = [token.expand(len(patches), -1, -1) for token in prefix]
        return torch.cat([*tokens, patches], dim=1)

    def for_sound(self, sound: SoundPicture) -> PatchStem:
        """A stem for pictures (N, 1, frames, F) of sound alone, as STG-CMA derives it from the pretrained one.

        Colour weights become their sum or mean over channels, bias and norm of patches are copied, positions are
        fitted to the grid once. Prefix tokens stay shared with this stem.
        """
        conv, (high, wide) = self.project, self.project.kernel_size
        colours = conv.weight.detach()
        mixed = colours.mean(1, keepdim=True) if sound.channels == "mean" else colours.sum(1, keepdim=True)
        project = nn.Conv2d(1, conv.out_channels, (high, wide), (high, wide), bias=False, device="meta")
        project.weight = nn.Parameter(mixed)
        if conv.bias is not None:
            project.bias = nn.Parameter(conv.bias.detach().clone())
        positions = None
        if self.positions is not None:
            positions = self.positions.fitted(((sound.frames - high) // high + 1, (sound.mel_bands - wide) // wide + 1))
        return PatchStem(
            project,
            patch_norm=copy.deepcopy(self.patch_norm),
            prefix=list(self.prefix),
            positions=positions,
            exact=(sound.frames, sound.mel_bands),
        )

    def check(self, rows: int, columns: int) -> None:
        """Refuse pictures that this stem cannot embed.

        Raises:
            UserError: naming the sizes that it takes.
        """
        if self.exact is not None and (rows, columns) != self.exact:
            expected = f"{self.exact[0]} x {self.exact[1]} (rows x columns); set size, or frames and mel_bands of sound"
        elif rows < self.project.kernel_size[0] or columns < self.project.kernel_size[1]:
            expected = f"at least one patch of {self.project.kernel_size[0]} x {self.project.kernel_size[1]}"
        else:
            return
        raise UserError(f"a picture of {rows} x {columns} does not fit this backbone, which takes {expected}.")


def refuse_indivisible(size: int, divides: int) -> None:
    """Refuse a picture whose side is no whole number of patches.

    Raises:
        UserError: naming the nearest sizes that are.
    """
    if size < divides or size % divides:
        below = size // divides * divides
        fitting = [str(s) for s in (below, below + divides) if s]
        raise UserError(
            f"picture size {size} is not a multiple of the patch size {divides}; use {' or '.join(fitting)}."
        )


# Positions of patches, fitted to grids other than the native one.

Grid = tuple[int, int]
Policy = Callable[[Tensor, int, Grid, Grid], Tensor]


class Positions(nn.Module):
    """A pretrained table of positions, used as it is on its native grid and fitted by a policy on any other.

    Args:
        table: (…, prefix + rows · columns, D)
        grid: rows and columns of the native grid.
        prefix: how many leading entries belong to tokens that are no patches.
        policy: for any other grid: `resample` (bilinear), `linear`, `crop`, `crop_aligned`; see `POLICIES`.

    Raises:
        UserError: no such policy.
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
