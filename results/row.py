"""One row of the leaderboard. The fields, in their order, are the columns that `docs/leaderboard.md` describes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple


class Board(NamedTuple):
    """What rows must share to be ranked against each other."""

    task: str
    data: str
    metric: str
    protocol: str


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
    code: str
    failures: tuple[str, ...] = field(default=(), metadata={"column": False})
    """One line for each failed seed; for people, so not a column."""

    @property
    def board(self) -> Board:
        return Board(self.task, self.data, self.metric, self.protocol)

    @property
    def is_linear_probe(self) -> bool:
        """Whether the adapter is the linear probe, with whatever options: what others are measured against."""
        return self.adapter.partition("(")[0] == "linear_probe"


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
