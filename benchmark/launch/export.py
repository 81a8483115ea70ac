"""Curves, scores and costs of each cell for an experiment tracker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmark.grid.cell import Cell
from benchmark.launch.launcher import Observer
from benchmark.launch.trackers import open_tracker
from benchmark.runtime.progress import Progress
from results.record import RunRecord

FACTS = ("backbone", "adapter", "task", "seed", "protocol", "data", "status", "recipe", "labels")
"""Of a record, what a tracker shows as the run's configuration."""


class Exporter:
    """An observer beside another: what ended is also written to `kind`. A tracker that fails loses no run."""

    def __init__(self, observer: Observer, kind: str, output: Path, warn: Callable[[str], None]) -> None:
        self._observer, self._kind, self._output, self._warn = observer, kind, output, warn

    def started(self, cell: Cell) -> None:
        self._observer.started(cell)

    def progressed(self, cell: Cell, progress: Progress) -> None:
        self._observer.progressed(cell, progress)

    def let_go(self, cell: Cell) -> None:
        self._observer.let_go(cell)

    def ended(self, cell: Cell, record: RunRecord) -> None:
        self._observer.ended(cell, record)
        try:
            export(record, self._kind, self._output)
        # A network that is down, a quota, a full disk: the record is kept whatever the tracker thinks.
        except Exception as error:
            self._warn(f"{record.slug} was not logged to {self._kind}: {' '.join(str(error).split())}")


def export(record: RunRecord, kind: str, output: Path) -> None:
    """Write one run: a step for each epoch, then the test scores and costs at the best epoch.

    Args:
        kind: one of `TRACKERS`.
    """
    tracker = open_tracker(kind, record.slug, {name: getattr(record, name) for name in FACTS}, output)
    try:
        for entry in record.history:
            epoch = int(entry["epoch"])
            curves = {_curve(name): value for name, value in entry.items() if name != "epoch"}
            tracker.add_scalars({"epoch": epoch, **curves}, step=epoch)
        tracker.add_scalars(_outcome(record), step=record.best_epoch or 0)
    finally:
        tracker.close()


def _curve(name: str) -> str:
    return f"train/{name.removeprefix('train_')}" if name in ("train_loss", "seconds") else f"validation/{name}"


def _outcome(record: RunRecord) -> dict[str, float]:
    costs = ("peak_memory_mb", "ms_per_clip", "train_ms_per_clip", "train_seconds", "gflops", "checkpoint_bytes")
    found = {f"test/{name}": value for name, value in record.scores.items()}
    found |= {f"cost/{name}": value for name in costs if (value := getattr(record, name)) is not None}
    if record.parameters:
        found["cost/trainable_parameters"] = record.parameters.trainable
    return found
