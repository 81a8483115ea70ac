"""Searches side by side: generation after generation through the same queue, records and checkpoints as any run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence

from benchmark.grid.cell import Cell
from benchmark.grid.resolve import resolve
from benchmark.tune.search import Search, Trial
from results.store.store import Store

Run = Callable[[list[Cell]], int]
"""Train what is missing of these cells -> the exit status of `run`."""


def tune(searches: Sequence[Search], store: Store, run: Run, *, trials: int, at_once: int) -> Iterator[int]:
    """Search until each search has had so many trials; after every generation the number of its trials so far.

    Args:
        store: of the trials' records; what it has is not trained again.
        at_once: trials of each search in a generation. What is asked depends on it, so it stays the same throughout.

    Raises:
        UnfinishedError: trials were interrupted, a cluster has them now, or all of the first have failed.
    """
    for begun in range(0, trials, at_once):
        generation = [(search, search.ask(min(at_once, trials - begun))) for search in searches]
        asked = [trial for _, own in generation for trial in own]
        for trial, cell in zip(asked, resolve([trial.spec for trial in asked]), strict=True):
            trial.cell = cell
        status = _train(generation, store, run)
        if not begun and all(trial.score is None for trial in asked):
            raise UnfinishedError(status or 1)
        for search, own in generation:
            search.tell(own)
        for trial in asked:
            _forget(trial, store)
        yield begun + len(generation[0][1])


class UnfinishedError(Exception):
    """No more trials can be asked for; `status` is that of `run`."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def _train(generation: Sequence[tuple[Search, list[Trial]]], store: Store, run: Run) -> int:
    """Every trial of a generation as far as it goes -> the worst exit status."""
    going = [(search, list(own)) for search, own in generation]
    place = worst = 0
    while any(own for _, own in going):
        cells = {cell.hash: cell for search, own in going for trial in own if (cell := _on_rung(search, trial, place))}
        status = run(list(cells.values()))
        worst = max(worst, status)
        for search, own in going:
            for trial in own:
                _read(trial, _on_rung(search, trial, place), store, status)
        going = [(search, search.rest(own, place) if own else []) for search, own in going]
        place += 1
    return worst


def _on_rung(search: Search, trial: Trial, place: int) -> Cell:
    assert trial.cell is not None
    return trial.cell.trial(search.rungs[place])


def _read(trial: Trial, cell: Cell, store: Store, status: int) -> None:
    record = store.read(cell.hash)
    if record is None:
        raise UnfinishedError(status)
    trial.record = record
    # Of a run that stopped early, those that it had.
    last = int(record.history[-1]["epoch"]) if record.history else 0
    trial.epochs = min(max(trial.epochs, last), cell.until)


def _forget(trial: Trial, store: Store) -> None:
    assert trial.cell is not None
    shutil.rmtree(store.output / "checkpoints" / trial.cell.checkpoints, ignore_errors=True)
