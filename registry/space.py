"""Where a search looks for values: what adapters and tasks declare of their own options and of the recipe's fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from registry.errors import UserError

Value = float | int | str | bool


@dataclass(frozen=True)
class Around:
    """Log-uniform from value / factor to value × factor, around the value that a cell has without a search."""

    factor: float

    def __post_init__(self) -> None:
        if not self.factor > 1:
            raise UserError(f"Around({self.factor}) is no range; give a factor above 1.")


@dataclass(frozen=True)
class Between:
    """Uniform from `low` to `high`, both included; with `log` so in the logarithm. Two whole numbers give such."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise UserError(f"Between({self.low}, {self.high}) is no range; give a low that is less than the high.")


@dataclass(frozen=True)
class OneOf:
    """One of a few values."""

    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        if len(set(self.values)) < 2:
            raise UserError(f"OneOf({self.values}) leaves no choice; give two values or more.")


Range = Around | Between | OneOf
SearchSpace = Mapping[str, Range]
"""By the name of a recipe's field or of an own option."""
