"""How a block partitions the tokens of a picture into sets that attend to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


class Windows(Protocol):
    """A partition of L tokens into G windows of equal size, and its inverse."""

    def split(self, x: Tensor) -> Tensor:
        """(B, T, L, D) -> (B, T, G, L / G, D)"""

    def join(self, windows: Tensor) -> Tensor:
        """(B, T, G, L / G, D) -> (B, T, L, D)"""


@dataclass(frozen=True)
class WholePicture:
    """One window: every token attends to every token."""

    def split(self, x: Tensor) -> Tensor:
        """(B, T, L, D) -> (B, T, 1, L, D)"""
        return x.unsqueeze(2)

    def join(self, windows: Tensor) -> Tensor:
        """(B, T, 1, L, D) -> (B, T, L, D)"""
        return windows.squeeze(2)


@dataclass(frozen=True)
class ShiftedWindows:
    """Windows of a grid that is first rolled towards its origin (Swin, arXiv 2103.14030, section 3.2).

    All sizes are (rows, columns); tokens and windows run row by row, and windows divide the grid.
    """

    grid: tuple[int, int]
    window: tuple[int, int]
    shift: tuple[int, int] = (0, 0)

    def split(self, x: Tensor) -> Tensor:
        """(B, T, L, D) -> (B, T, G, L / G, D)"""
        x = x.unflatten(2, self.grid)
        if any(self.shift):
            x = x.roll((-self.shift[0], -self.shift[1]), dims=(2, 3))
        (rows, columns), (high, wide) = self.grid, self.window
        x = x.unflatten(3, (columns // wide, wide)).unflatten(2, (rows // high, high))
        return x.transpose(3, 4).flatten(4, 5).flatten(2, 3)

    def join(self, windows: Tensor) -> Tensor:
        """(B, T, G, L / G, D) -> (B, T, L, D)"""
        (rows, columns), (high, wide) = self.grid, self.window
        x = windows.unflatten(3, (high, wide)).unflatten(2, (rows // high, columns // wide))
        x = x.transpose(3, 4).flatten(4, 5).flatten(2, 3)
        if any(self.shift):
            x = x.roll(self.shift, dims=(2, 3))
        return x.flatten(2, 3)
