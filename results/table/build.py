"""Records in, ranked rows out."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from statistics import median

from results.record import Failure, RunRecord, SingleClip
from results.statistics.bootstrap import bounds, mean, std
from results.statistics.paired import ItemsOf, PairedScores, paired_scores
from results.statistics.tradeoff import pareto_front, ppt
from results.table.aggregate import with_hypervolume, with_mean_rank
from results.table.groups import Group, group_runs
from results.table.row import Cost, Effort, Fronts, Row, Score, rank_order
from results.table.standing import MOST_ROWS, with_letters
from results.table.within_board import behind_best, over_one_modality, over_probes

LevelsOf = Callable[[str], Mapping[str, float]]
"""From a run's hash to what its metric would be without learning: `chance`, `majority`; empty where unknown."""


def build(records: Sequence[RunRecord], items: ItemsOf | None = None, levels: LevelsOf | None = None) -> list[Row]:
    """The rows of any records, see `rows_of`; several of one run count once."""
    return rows_of(group_runs(records), items, levels)


def rows_of(groups: Sequence[Group], items: ItemsOf | None = None, levels: LevelsOf | None = None) -> list[Row]:
    """One row for each group of runs; sorted by task, then board, then mean score, rows without a score last.

    Runs that differ in data, recipe, protocol, labels, weights or versions stay in rows of their own, and failed runs
    enter no number. The result does not depend on the order of the records.

    Args:
        groups: from `group_runs`.
        items: reads a run's test items for intervals and comparisons, which stay empty without it.
        levels: reads what a run's metric would be without learning.
    """
    rows: list[Row] = []
    kept: dict[int, PairedScores] = {}
    # Groups are sorted by board, so that the items of one board alone are held in memory; of small boards, which
    # verdicts over tasks need, all are.
    with _collector_paused():
        for _, board_groups in groupby(groups, key=lambda group: group.key.board):
            found, known = _board_rows(list(board_groups), items or _no_items, levels or _no_levels)
            if len(found) <= MOST_ROWS:
                kept |= {len(rows) + place: own for place, own in enumerate(known) if own}
            rows += found
    return sorted(with_mean_rank(with_hypervolume(rows), kept), key=rank_order)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Millions of items come and go without a cycle among them; looking for one takes a quarter of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _no_items(run_hash: str) -> tuple[()]:
    return ()


def _no_levels(run_hash: str) -> dict[str, float]:
    return {}


def _board_rows(
    groups: Sequence[Group], items: ItemsOf, levels: LevelsOf
) -> tuple[list[Row], list[PairedScores | None]]:
    """The rows of one board, compared with each other, and the scores of each."""
    known = [paired_scores(group.completed, items) for group in groups]
    half_widths = iter((high - low) / 2 for low, high in bounds([own.units for own in known if own]))
    rows = [_row(group, own, next(half_widths) if own else None) for group, own in zip(groups, known, strict=True)]
    rows = _with_levels(rows, levels)
    rows = with_letters(behind_best(over_one_modality(over_probes(rows, known), known), known), known)
    return _with_fronts(_with_less_tuned(rows)), known


def _with_levels(rows: Sequence[Row], levels: LevelsOf) -> list[Row]:
    """Chance and majority are of the items, which all rows of a board share: the first run that knows tells all."""
    runs = (run.hash for row in rows for run in row.runs)
    known = next((found for run in runs if (found := levels(run))), {})
    return [
        replace(row, score=replace(row.score, chance=known.get("chance"), majority=known.get("majority")))
        if known
        else row
        for row in rows
    ]


def _with_less_tuned(rows: Sequence[Row]) -> list[Row]:
    """Rows of unequal effort marked, where any row of the board was searched for."""
    efforts = [(row.effort.trials or 0, row.effort.trial_epochs or 0) for row in rows]
    most = tuple(map(max, zip(*efforts, strict=True))) if rows else (0, 0)
    if not any(most):
        return list(rows)
    marked = zip(rows, efforts, strict=True)
    return [replace(row, effort=replace(row.effort, less_tuned=own != most)) for row, own in marked]


def _effort(group: Group) -> Effort:
    told = [run.environment.get("effort") for run in group.completed]
    known = [own if isinstance(own, Mapping) else {} for own in told]
    if not any(known):
        return Effort()
    least = {name: min(_whole(own.get(name)) for own in known) for name in ("trials", "epochs")}
    return Effort(least["trials"], least["epochs"])


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _row(group: Group, known: PairedScores | None, half_width: float | None) -> Row:
    runs = group.completed
    scores = [run.scores[group.key.metric] for run in runs]
    score = Score(mean(scores) if scores else None, std(scores), len(runs), half_width)
    cost = _cost(group)
    without_head = cost.parameters_without_head
    return Row(
        **vars(group.key),
        status=_status(group),
        score=score,
        cost=cost,
        fronts=Fronts(ppt=None if score.mean is None or without_head is None else ppt(score.mean, without_head)),
        effort=_effort(group),
        failures=tuple(_failure_line(run) for run in group.failed),
        runs=tuple(runs),
        breakdown=known.breakdown() if known else (),
    )


def _cost(group: Group) -> Cost:
    """The most memory, the median of times at inference and training, the mean of whole trainings."""
    runs = group.completed
    singles = [run.single or SingleClip() for run in runs]
    counted = [run.parameters for run in (*runs, *group.failed) if run.parameters is not None]
    parameters = counted[0] if counted else None
    return Cost(
        adapter_parameters=parameters.adapter if parameters else None,
        head_parameters=parameters.head if parameters else None,
        trainable_parameters=parameters.trainable if parameters else None,
        total_parameters=parameters.total if parameters else None,
        trainable_percent=parameters.trainable_percent if parameters and parameters.total else None,
        total_as_published=_largest([run.total_as_published for run in runs]),
        gflops=_over_known(max, [run.gflops for run in runs]),
        peak_memory_mb=_over_known(max, [run.peak_memory_mb for run in runs]),
        ms_per_clip=_over_known(median, [run.ms_per_clip for run in runs]),
        machine_load=_over_known(max, [_load(run) for run in runs]),
        train_seconds=_over_known(mean, [run.train_seconds for run in runs]),
        train_ms_per_clip=_over_known(median, [run.train_ms_per_clip for run in runs]),
        single_peak_memory_mb=_over_known(max, [single.peak_memory_mb for single in singles]),
        single_train_ms=_over_known(median, [single.train_ms for single in singles]),
        single_inference_ms=_over_known(median, [single.inference_ms for single in singles]),
        checkpoint_bytes=_largest([run.checkpoint_bytes for run in runs]),
    )


def _load(run: RunRecord) -> float | None:
    load = run.environment.get("machine_load")
    return float(load) if isinstance(load, int | float) else None


def _over_known(summary: Callable[[list[float]], float], values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return summary(known) if known else None


def _largest(values: Sequence[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _status(group: Group) -> str:
    if not group.failed:
        return "completed"
    kinds = ", ".join(sorted({run.failure.kind for run in group.failed if run.failure}))
    if not group.completed:
        return f"failed: {kinds}"
    return f"partial: {len(group.failed)} of {len(group.failed) + len(group.completed)} failed ({kinds})"


def _failure_line(run: RunRecord) -> str:
    failure = run.failure or Failure("error", "no reason recorded")
    return f"seed {run.seed}: {failure.kind}: {' '.join(failure.message.split())}"


def _with_fronts(rows: Sequence[Row]) -> list[Row]:
    """Mark who is on the fronts of the board; a row without score or cost is on none, and stays unmarked."""
    parameters = _fronts(rows, [row.cost.trainable_parameters for row in rows])
    memory = _fronts(rows, [row.cost.peak_memory_mb for row in rows])
    return [
        row.weighed(
            pareto=parameters[index][0],
            pareto_within_interval=parameters[index][1],
            pareto_memory=memory[index][0],
            pareto_memory_within_interval=memory[index][1],
        )
        for index, row in enumerate(rows)
    ]


def _fronts(rows: Sequence[Row], costs: Sequence[float | None]) -> list[tuple[bool | None, bool | None]]:
    """For each row whether it is on the front of score and cost, exactly and within its interval."""
    marks: list[tuple[bool | None, bool | None]] = [(None, None)] * len(rows)
    placed = [index for index, row in enumerate(rows) if row.score.mean is not None and costs[index] is not None]
    points = [(float(costs[index] or 0), rows[index].score.mean or 0.0) for index in placed]
    tolerances = [rows[index].score.interval or 0.0 for index in placed]
    for index, *fronts in zip(placed, pareto_front(points), pareto_front(points, tolerances), strict=True):
        marks[index] = (fronts[0], fronts[1])
    return marks
