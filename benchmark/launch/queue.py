"""The cells that nobody trains yet, in order, with those set apart that another grid on the same output trains."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from benchmark.grid.cell import Cell
from benchmark.launch.lease import Lease
from registry.cache import keeps_prepared
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


def needed_features(cell: Cell) -> str:
    """The key of the frozen features that a cell shares with others; empty where it needs none."""
    return cell.features if keeps_prepared() else ""


def extractions_in_words(cells: Iterable[Cell]) -> str:
    """How many extractions of frozen features serve how many of these cells; empty where none is needed."""
    needed = [features for cell in cells if (features := needed_features(cell))]
    if not needed:
        return ""
    count = len(set(needed))
    extractions = "1 extraction" if count == 1 else f"{count} extractions"
    return f"{extractions} of frozen features at most for {len(needed)} of them, one for each backbone and data"


class Extractions:
    """The extractions that cells of this launch work on, so that no other cell waits for one while it could train."""

    def __init__(self) -> None:
        self._by: dict[str, str] = {}
        """Each that has begun, with the cell that does it; an empty text when it is done."""

    def begins(self, cell: Cell) -> None:
        """A cell has started; the first that needs an extraction does it."""
        if features := needed_features(cell):
            self._by.setdefault(features, cell.hash)

    def is_ready(self, cell: Cell) -> None:
        """A cell trains, so that its features are there."""
        for features, by in self._by.items():
            if by == cell.hash:
                self._by[features] = ""

    def ends(self, cell: Cell) -> None:
        """A cell has ended; what it has not made ready is left to the next."""
        self._by = {features: by for features, by in self._by.items() if by != cell.hash}

    def must_wait(self, cell: Cell) -> bool:
        """Whether the cell would only wait for another's extraction now."""
        return bool(self._by.get(needed_features(cell)))
