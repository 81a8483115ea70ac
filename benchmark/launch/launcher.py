"""What the launchers have in common: cells go in, records come out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmark.grid.cell import Cell
from benchmark.runtime.progress import Progress
from results.record import RunRecord
from results.store.store import Store


class Observer(Protocol):
    """Told of everything that happens to cells."""

    def started(self, cell: Cell) -> None: ...
    def progressed(self, cell: Cell, progress: Progress) -> None: ...
    def ended(self, cell: Cell, record: RunRecord) -> None: ...
    def let_go(self, cell: Cell) -> None:
        """Another grid trains this cell that had been started here."""


@dataclass
class Outcome:
    """How a launch went."""

    completed: int = 0
    failed: int = 0
    users_mistakes: int = 0
    """Those of the failed that the user can mend."""
    submitted: int = 0
    """Cells that a cluster has taken over; their records come later."""


class Launcher(Protocol):
    """A place where cells run. Each cell is one call of `benchmark.launch.cell.run_cell`, so records are the same."""

    def launch(self, cells: Sequence[Cell], store: Store, observer: Observer) -> Outcome:
        """Run the cells in this order, or hand them over to a cluster.

        Raises:
            UserError: a request that this place cannot meet, or an output that cannot be written.
            KeyboardInterrupt: cells that ran here have ended by then.
        """
