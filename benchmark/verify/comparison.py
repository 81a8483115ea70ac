"""What was recorded, what we computed, and how far that may be apart."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

Kind = Literal["output", "intermediate", "gradient", "state"]


@dataclass(frozen=True)
class Tolerance:
    """A value may differ by `absolute + relative · |recorded|`, element by element, and NaN differs from anything."""

    absolute: float = 0.0
    relative: float = 0.0

    def share(self, found: Tensor, recorded: Tensor) -> float:
        """The worst error as a share of what is allowed there; 1 is the limit."""
        error = (found - recorded).abs()
        allowed = self.absolute + self.relative * recorded.abs()
        # No error is no miss, even where none is allowed.
        shares = torch.where(error == 0, torch.zeros_like(error), error / allowed)
        return float(torch.where(shares.isnan(), torch.inf, shares).max()) if shares.numel() else 0.0

    def __str__(self) -> str:
        terms = [f"{self.absolute:.2g}"] if self.absolute or not self.relative else []
        return " + ".join([*terms, *([f"{self.relative:.2g} of the value"] if self.relative else [])])


@dataclass(frozen=True)
class Compared:
    """One recorded tensor beside ours."""

    tensor: str
    kind: Kind
    max_abs: float
    max_rel: float
    """The largest error over the largest recorded magnitude."""
    tolerance: str
    share: float
    """The worst error as a share of what is allowed; 1 is the limit, infinite where there is nothing to compare."""
    note: str = ""

    @property
    def passed(self) -> bool:
        return self.share <= 1.0

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is not finite is None."""
        return {
            "tensor": self.tensor,
            "kind": self.kind,
            "max_abs_error": _finite(self.max_abs),
            "max_rel_error": _finite(self.max_rel),
            "tolerance": self.tolerance,
            "share_of_tolerance": _finite(self.share),
            "passed": self.passed,
            "note": self.note,
        }


@dataclass
class GoldenReport:
    """Every comparison of one golden file."""

    file: str
    model: str
    precision: str
    compared: list[Compared] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether there was something to compare and nothing missed."""
        return bool(self.compared) and all(line.passed for line in self.compared)

    @property
    def worst(self) -> Compared:
        """The comparison nearest to, or furthest beyond, its limit."""
        return max(self.compared, key=lambda line: line.share)

    def add(
        self, tensor: str, kind: Kind, found: Tensor | None, recorded: Tensor, tolerance: Tolerance, note: str = ""
    ) -> None:
        """Compare one tensor; None is what our model does not have, a miss."""
        if found is None or found.shape != recorded.shape:
            shape = "nothing" if found is None else f"shape {tuple(found.shape)}"
            self.miss(tensor, kind, f"our model has {shape}, recorded is shape {tuple(recorded.shape)}")
            return
        ours, theirs = found.detach().double(), recorded.double()
        error = (ours - theirs).abs()
        largest = float(error.max()) if error.numel() else 0.0
        scale = float(theirs.abs().max()) if theirs.numel() else 0.0
        relative = largest / scale if scale else (0.0 if largest == 0 else math.inf)
        share = tolerance.share(ours, theirs)
        self.compared.append(Compared(tensor, kind, largest, relative, str(tolerance), share, note))

    def miss(self, tensor: str, kind: Kind, note: str) -> None:
        """Count a recorded tensor that we cannot compare as a miss."""
        self.compared.append(Compared(tensor, kind, math.inf, math.inf, "", math.inf, note))

    def as_dict(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "model": self.model,
            "precision": self.precision,
            "passed": self.passed,
            "tensors": [line.as_dict() for line in self.compared],
        }


Tolerances = Callable[[str, Kind, Tensor], Tolerance]
"""(tensor, kind, recorded) -> how far ours may be away."""


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
