"""One row of the leaderboard. The fields, in their order, are the columns that `docs/leaderboard.md` describes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from results.record import RunRecord
from results.statistics.paired import Kind

MEASURED, PUBLISHED = "measured", "published"
"""Kinds of rows: from our records, or from a paper."""


class Board(NamedTuple):
    """What rows must share to be ranked against each other."""

    task: str
    data: str
    metric: str
    protocol: str


class Circumstances(NamedTuple):
    """What an adapter meets: rows that share it differ in what was added to one backbone, in recipe and in versions."""

    board: Board
    backbone: str
    labels: tuple[str, ...]
    weights: str


@dataclass(frozen=True)
class Row:
    """A cell's scores over its seeds, and what they cost. None is unknown."""

    task: str
    data: str
    backbone: str
    adapter: str
    metric: str
    mean: float | None
    std: float | None
    seeds: int
    interval: float | None
    gain_over_linear_probe: float | None
    adapter_parameters: int | None
    head_parameters: int | None
    trainable_parameters: int | None
    total_parameters: int | None
    trainable_percent: float | None
    gflops: float | None
    peak_memory_mb: float | None
    ms_per_clip: float | None
    train_seconds: float | None
    pareto: bool | None
    status: str
    labels: tuple[str, ...]
    protocol: str
    recipe: str
    gain_interval: float | None
    weights: str
    versions: str
    gain_p_value: float | None = None
    behind_best: float | None = None
    behind_best_interval: float | None = None
    behind_best_p_value: float | None = None
    tied_with_best: bool | None = None
    total_as_published: int | None = None
    train_ms_per_clip: float | None = None
    single_peak_memory_mb: float | None = None
    single_train_ms: float | None = None
    single_inference_ms: float | None = None
    checkpoint_bytes: int | None = None
    ppt: float | None = None
    pareto_memory: bool | None = None
    pareto_within_interval: bool | None = None
    pareto_memory_within_interval: bool | None = None
    hypervolume: float | None = None
    mean_rank: float | None = None
    kind: str = MEASURED
    source: str = ""
    failures: tuple[str, ...] = field(default=(), metadata={"column": False})
    """One line for each failed seed; for people, so not a column."""
    runs: tuple[RunRecord, ...] = field(default=(), metadata={"column": False}, repr=False, compare=False)
    """The completed runs, by seed."""
    breakdown: tuple[Kind, ...] = field(default=(), metadata={"column": False})
    """The score by question type, class or direction."""

    @property
    def board(self) -> Board:
        return Board(self.task, self.data, self.metric, self.protocol)

    @property
    def family(self) -> str:
        """The adapter's name without its options."""
        return self.adapter.partition("(")[0]

    @property
    def is_linear_probe(self) -> bool:
        """Whether the adapter is the linear probe, with whatever options: what others are measured against."""
        return self.family == "linear_probe"

    @property
    def circumstances(self) -> Circumstances:
        """What an adapter meets."""
        return Circumstances(self.board, self.backbone, self.labels, self.weights)

    @property
    def parameters_without_head(self) -> int | None:
        """Trainable ones of the adapter and the backbone."""
        if self.trainable_parameters is None or self.head_parameters is None:
            return None
        return self.trainable_parameters - self.head_parameters

    @property
    def identity(self) -> tuple[object, ...]:
        """What tells rows of one board apart."""
        return self.backbone, self.adapter, self.labels, self.recipe, self.weights, self.versions


def by_board(rows: Iterable[Row]) -> dict[Board, list[Row]]:
    """The rows that have a score, grouped by what they may be ranked within, in the order they come."""
    boards: dict[Board, list[Row]] = {}
    for row in rows:
        if row.mean is not None:
            boards.setdefault(row.board, []).append(row)
    return boards


def shared_labels(rows: Iterable[Row]) -> tuple[str, ...]:
    """The labels that every one of the rows carries."""
    sets = [set(row.labels) for row in rows]
    return tuple(sorted(set.intersection(*sets))) if sets else ()
