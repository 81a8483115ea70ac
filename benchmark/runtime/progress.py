"""What a running cell tells the launcher, many times a second at most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Phase = Literal["build", "prepare", "train", "validate", "test"]


@dataclass(frozen=True)
class Progress:
    """Where a cell stands. Counts start at one, so that epoch 3 of 4 has two epochs behind it."""

    slug: str
    phase: Phase
    epoch: int = 0
    """The epoch that is running, 1 to `epochs`; 0 before the first."""
    epochs: int = 0
    step: int = 0
    """Steps of this phase that are done, 0 to `steps`."""
    steps: int = 0
    loss: float | None = None
    """The latest training loss."""
    score: float | None = None
    """The best validation score so far, in percent."""

    @property
    def fraction(self) -> float:
        """Share of the cell's training that is done, 0..1; validation counts as the end of its epoch."""
        if self.phase == "test":
            return 1.0
        if not self.epochs or not self.epoch:
            return 0.0
        within = self.step / self.steps if self.phase == "train" and self.steps else float(self.phase == "validate")
        return min(1.0, (self.epoch - 1 + within) / self.epochs)


ProgressReport = Callable[[Progress], None]
"""Is told where a cell stands."""
