"""The cells that nobody trains yet, in order, with those set apart that another grid on the same output trains."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from benchmark.launch.lease import Lease
from benchmark.launch.plan import Cell
from results.record import RunRecord
from results.store.serialise import RecordError
from results.store.store import Store


class Waiting:
    """A queue of cells that looks at leases and records before it hands one out."""

    def __init__(self, cells: Iterable[Cell], store: Store) -> None:
        self._store = store
        self._here = deque(cells)
        self._elsewhere: dict[str, tuple[Cell, RunRecord | None]] = {}
        """By hash, with the record that stood when the cell was first seen in other hands."""

    def __bool__(self) -> bool:
        return bool(self._here or self._elsewhere)

    def next(self, must_wait: Callable[[Cell], bool] = lambda cell: False) -> Cell | None:
        """The first free cell, one that `must_wait` only where all would; None where there is none."""
        while self._here:
            place = next((i for i, cell in enumerate(self._here) if not must_wait(cell)), 0)
            cell = self._here[place]
            del self._here[place]
            if not Lease(self._store.output, cell.hash).is_held():
                return cell
            self._set_apart(cell)
        return None

    def put_back(self, cells: Iterable[Cell]) -> None:
        """Cells that were handed out and had been taken by somebody else."""
        for cell in cells:
            self._set_apart(cell)

    def done_elsewhere(self) -> Iterator[tuple[Cell, RunRecord]]:
        """Cells with a new record of another grid; those that it let go of without one wait again here."""
        for run_hash, (cell, before) in list(self._elsewhere.items()):
            # The lease first: a holder writes the record before it gives the lease back.
            if Lease(self._store.output, run_hash).is_held():
                continue
            del self._elsewhere[run_hash]
            record = self._read(run_hash)
            if record is not None and record != before:
                yield cell, record
            else:
                self._here.append(cell)

    def _set_apart(self, cell: Cell) -> None:
        self._elsewhere.setdefault(cell.hash, (cell, self._read(cell.hash)))

    def _read(self, run_hash: str) -> RunRecord | None:
        try:
            return self._store.read(run_hash)
        except RecordError:
            return None
