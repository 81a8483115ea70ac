"""How long cells will take, compared with each other: from records where there are some, else from operations."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence, Sized
from typing import cast

import benchmark
from benchmark.cost.facts import facts_of
from benchmark.grid.cell import Cell
from benchmark.grid.spec import RunSpec
from registry import Component
from registry.errors import UserError, in_one_line
from results.record import RunRecord


def estimate_cost(
    cells: Sequence[Cell], records: Iterable[RunRecord], warn: Callable[[str], None] = lambda line: None
) -> dict[str, float]:
    """By hash, numbers in proportion to the time that each cell will take; seconds where records tell them.

    A combination that has been trained takes the median time of its epochs. Any other takes its operations for each
    clip x training clips x epochs, brought to seconds by the combinations where both are known; 0 where neither can be
    told, of which `warn` is told in one line.
    """
    seconds_per_epoch = _measured(records)
    counts = _Counts(warn)
    work = {cell.hash: counts.work(cell) for cell in cells}
    known = {
        cell.hash: seconds_per_epoch[combination] * cell.spec.recipe.epochs
        for cell in cells
        if (combination := _combination(cell.spec)) in seconds_per_epoch
    }
    ratios = [seconds / work[run_hash] for run_hash, seconds in known.items() if work[run_hash] > 0]
    scale = statistics.median(ratios) if ratios else 1.0
    return {run_hash: known.get(run_hash, amount * scale) for run_hash, amount in work.items()}


def longest_first(cells: Sequence[Cell], work: dict[str, float]) -> list[Cell]:
    """The order in which they leave the fewest processors idle at the end."""
    return sorted(cells, key=lambda cell: -work[cell.hash])


def _measured(records: Iterable[RunRecord]) -> dict[tuple[str, ...], float]:
    found: dict[tuple[str, ...], list[float]] = {}
    for record in records:
        if record.status == "completed" and record.train_seconds and record.history:
            combination = (record.backbone, record.adapter, record.task)
            found.setdefault(combination, []).append(record.train_seconds / len(record.history))
    return {combination: statistics.median(times) for combination, times in found.items()}


def _combination(spec: RunSpec) -> tuple[str, ...]:
    return str(spec.backbone), str(spec.adapter), str(spec.task)


class _Counts:
    """Operations and clips, each looked up once; of a part that cannot tell, its cells are expected to cost nothing."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._gflops: dict[tuple[Component, Component], float] = {}
        self._clips: dict[Component, int] = {}

    def work(self, cell: Cell) -> float:
        return self._operations(cell) * self._training_clips(cell.spec.task) * cell.spec.recipe.epochs

    def _operations(self, cell: Cell) -> float:
        # The encoder decides; heads of different tasks hardly differ.
        pair = cell.spec.backbone, cell.spec.adapter
        if pair not in self._gflops:
            self._gflops[pair] = self._count(cell)
        return self._gflops[pair]

    def _count(self, cell: Cell) -> float:
        spec = cell.spec
        try:
            return facts_of(spec.backbone, spec.adapter, spec.task, cell.versions)["gflops"] or 0.0
        # A plug-in may raise anything; the cell itself will tell it in its record, and the others shall train.
        except Exception as error:
            self._warn(f"{spec.title}: cannot be counted ({in_one_line(error)}), so its time is not foreseen")
            return 0.0

    def _training_clips(self, task: Component) -> int:
        if task not in self._clips:
            try:
                self._clips[task] = len(cast(Sized, benchmark.build_task(task).dataset("train")))
            except (UserError, OSError, TypeError) as error:
                self._warn(f"{task}: clips cannot be counted ({error}), so the time of its cells is not foreseen")
                self._clips[task] = 0
        return self._clips[task]
