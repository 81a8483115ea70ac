"""How long cells will take, compared with each other: from records where there are some, else from operations."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence, Sized
from typing import cast

from benchmark.grid.cell import Cell
from benchmark.grid.spec import RunSpec
from registry import Component, UserError
from results.record import RunRecord


def expected_work(cells: Sequence[Cell], records: Iterable[RunRecord]) -> dict[str, float]:
    """By hash, numbers in proportion to the time that each cell will take; seconds where records tell them.

    A combination that has been trained takes the median time of its epochs. Any other takes its operations for each
    clip x training clips x epochs, brought to seconds by the combinations where both are known.
    """
    seconds_per_epoch = _measured(records)
    counts = _Counts()
    work = {cell.hash: counts.work(cell.spec) for cell in cells}
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
    """Operations and clips, each looked up once; a part that cannot tell is left for its own cell to fail."""

    def __init__(self) -> None:
        self._gflops: dict[tuple[Component, Component], float] = {}
        self._clips: dict[Component, int] = {}

    def work(self, spec: RunSpec) -> float:
        return self._operations(spec) * self._training_clips(spec.task) * spec.recipe.epochs

    def _operations(self, spec: RunSpec) -> float:
        from benchmark.cost.describe import count_gflops

        # The encoder decides; heads of different tasks hardly differ.
        pair = spec.backbone, spec.adapter
        if pair not in self._gflops:
            try:
                self._gflops[pair] = count_gflops(*pair, spec.task) or 1.0
            except Exception:
                self._gflops[pair] = 1.0
        return self._gflops[pair]

    def _training_clips(self, task: Component) -> int:
        from benchmark.grid.expand import build_task

        if task not in self._clips:
            try:
                self._clips[task] = len(cast(Sized, build_task(task).dataset("train")))
            except (UserError, OSError, TypeError):
                self._clips[task] = 1
        return self._clips[task]
