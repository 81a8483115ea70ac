"""Records in, ranked rows out, and the files that show them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Protocol

from results.cells import Cell, fold
from results.files import write_atomically
from results.markdown import to_markdown
from results.record import Failure, ItemResult, RunRecord
from results.row import Row, by_board
from results.serialise import RecordError
from results.spreadsheet import to_csv
from results.statistics import interval, mean, paired_difference, score_matrix, std
from results.store import Records, Unreadable
from results.tradeoff import pareto_front

ItemsOf = Callable[[str], Sequence[ItemResult]]
"""From a run's hash to its scored test items, empty where there are none."""


class Source(Protocol):
    """Where records come from; `results.store.Store` is one."""

    def load(self) -> Records: ...
    def items(self, run_hash: str) -> list[ItemResult]: ...


@dataclass(frozen=True)
class Leaderboard:
    """The rows, the files they were written to, and the files of the store that could not be read."""

    rows: list[Row]
    files: list[Path]
    unreadable: list[Unreadable]


def write(output: Path, store: Source, command: str | None = None) -> Leaderboard:
    """Rebuild `leaderboard.csv`, `leaderboard.md`, `tradeoff.png` and `tradeoff.svg` under `output` from a store.

    Args:
        output: the folder; made where it is absent.
        store: the records and their items.
        command: what `leaderboard.md` names as the command that made it.

    Raises:
        UserError: the output cannot be written.
    """
    # Half a second of import, which whoever only builds rows is spared.
    from results.plots import draw_tradeoff

    records = store.load()
    unreadable = list(records.unreadable)
    rows = build(records, _reporting(store.items, unreadable))
    command = command or f"python -m benchmark leaderboard --output {output}"
    files = [output / "leaderboard.csv", output / "leaderboard.md"]
    write_atomically(files[0], to_csv(rows).encode())
    write_atomically(files[1], to_markdown(rows, command, unreadable).encode())
    return Leaderboard(rows, files + draw_tradeoff(rows, output), unreadable)


def build(records: Sequence[RunRecord], items: ItemsOf | None = None) -> list[Row]:
    """One row for each cell, seeds folded; sorted by task, then board, then mean score, rows without a score last.

    Runs that differ in data, recipe, protocol, labels, weights or code stay in rows of their own, and failed runs enter
    no number. The result does not depend on the order of the records.

    Args:
        records: any records; several of one run count once.
        items: reads a run's test items for the intervals, which stay empty without it.
    """
    cells = fold(records)
    read = lru_cache(maxsize=512)(items or _no_items)
    rows = [_row(cell, read) for cell in cells]
    baselines = [_baseline(row, rows) for row in rows]
    gained = [
        row if best is None else _with_gain(row, cell, rows[best], cells[best], read)
        for row, cell, best in zip(rows, cells, baselines, strict=True)
    ]
    return sorted(_with_front(gained), key=_rank)


def _no_items(run_hash: str) -> Sequence[ItemResult]:
    return ()


def _reporting(items: ItemsOf, unreadable: list[Unreadable]) -> ItemsOf:
    def read(run_hash: str) -> Sequence[ItemResult]:
        try:
            return items(run_hash)
        except RecordError as error:
            unreadable.append(Unreadable(Path(f"items/{run_hash}.json.gz"), str(error)))
            return ()

    return read


def _row(cell: Cell, items: ItemsOf) -> Row:
    key, runs = cell.key, cell.completed
    scores = [run.scores[key.metric] for run in runs]
    matrix = score_matrix([items(run.hash) for run in runs])
    counted = [run.parameters for run in (*runs, *cell.failed) if run.parameters is not None]
    parameters = counted[0] if counted else None
    return Row(
        task=key.task,
        data=key.data,
        backbone=key.backbone,
        adapter=key.adapter,
        metric=key.metric,
        mean=mean(scores) if scores else None,
        std=std(scores),
        seeds=len(runs),
        interval=None if matrix is None else interval(matrix),
        gain_over_linear_probe=None,
        adapter_parameters=parameters.adapter if parameters else None,
        head_parameters=parameters.head if parameters else None,
        trainable_parameters=parameters.trainable if parameters else None,
        total_parameters=parameters.total if parameters else None,
        trainable_percent=parameters.trainable_percent if parameters and parameters.total else None,
        gflops=_over_known(max, [run.gflops for run in runs]),
        peak_memory_mb=_over_known(max, [run.peak_memory_mb for run in runs]),
        ms_per_clip=_over_known(median, [run.ms_per_clip for run in runs]),
        train_seconds=_over_known(mean, [run.train_seconds for run in runs]),
        pareto=None,
        status=_status(cell),
        labels=key.labels,
        protocol=key.protocol,
        recipe=key.recipe,
        gain_interval=None,
        weights=key.weights,
        code=key.code,
        failures=tuple(_failure_line(run) for run in cell.failed),
    )


def _over_known(summary: Callable[[list[float]], float], values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return summary(known) if known else None


def _status(cell: Cell) -> str:
    if not cell.failed:
        return "completed"
    kinds = ", ".join(sorted({run.failure.kind for run in cell.failed if run.failure}))
    if not cell.completed:
        return f"failed: {kinds}"
    return f"partial: {len(cell.failed)} of {len(cell.failed) + len(cell.completed)} failed ({kinds})"


def _failure_line(run: RunRecord) -> str:
    failure = run.failure or Failure("error", "no reason recorded")
    return f"seed {run.seed}: {failure.kind}: {' '.join(failure.message.split())}"


def _baseline(row: Row, rows: Sequence[Row]) -> int | None:
    """The index of the linear probe to measure a row against: of the same recipe if there is one, else the best."""
    if row.mean is None or row.is_linear_probe:
        return None
    probes = [
        (other.recipe == row.recipe, other.mean, -i)
        for i, other in enumerate(rows)
        if other.mean is not None and other.is_linear_probe and _circumstances(other) == _circumstances(row)
    ]
    return -max(probes)[-1] if probes else None


def _circumstances(row: Row) -> tuple[object, ...]:
    return row.board, row.backbone, row.labels, row.weights


def _with_gain(row: Row, cell: Cell, probe: Row, probe_cell: Cell, items: ItemsOf) -> Row:
    own = {run.seed: items(run.hash) for run in cell.completed}
    theirs = {run.seed: items(run.hash) for run in probe_cell.completed}
    seeds = sorted(own.keys() & theirs.keys())
    matrix = score_matrix([own[seed] for seed in seeds] + [theirs[seed] for seed in seeds])
    return replace(
        row,
        gain_over_linear_probe=(row.mean or 0.0) - (probe.mean or 0.0),
        gain_interval=None
        if matrix is None
        else paired_difference(matrix[: len(seeds)], matrix[len(seeds) :]).half_width,
    )


def _with_front(rows: Sequence[Row]) -> list[Row]:
    """Mark who is on the front of its board; a row without score or parameters is on none, and stays unmarked."""
    marks: dict[int, bool] = {}
    for board in by_board(rows).values():
        placed = [row for row in board if row.trainable_parameters is not None]
        front = pareto_front([(row.trainable_parameters or 0, row.mean or 0.0) for row in placed])
        marks |= {id(row): mark for row, mark in zip(placed, front, strict=True)}
    return [replace(row, pareto=marks.get(id(row))) for row in rows]


def _rank(row: Row) -> tuple[object, ...]:
    score = 0.0 if row.mean is None else row.mean
    identity = (row.backbone, row.adapter, row.labels, row.recipe, row.weights, row.code)
    return row.task, row.mean is None, row.board, -score, identity
