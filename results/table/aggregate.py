"""Rows of several boards or sizes summed up: mean rank over tasks, hypervolume of a family's size sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import rankdata

from results.statistics.bootstrap import mean
from results.statistics.tradeoff import hypervolume
from results.table.groups import Board
from results.table.row import Context, Row

Configuration = tuple[str, str, tuple[str, ...], str]
"""What is run on several tasks: backbone, adapter, labels and weights."""


@dataclass(frozen=True)
class MeanRank:
    """Where a configuration stands over several boards; 1 is best everywhere."""

    configuration: Configuration
    ranks: dict[Board, float]
    """Among all configurations of the block; equal scores share the mean of their ranks."""

    @property
    def backbone(self) -> str:
        return self.configuration[0]

    @property
    def adapter(self) -> str:
        return self.configuration[1]

    @property
    def mean(self) -> float:
        return mean(list(self.ranks.values()))


@dataclass(frozen=True)
class Volume:
    """The hypervolume of one adapter family's sizes on one backbone and board."""

    context: Context
    family: str
    sizes: int
    value: float


def mean_ranks(rows: Sequence[Row]) -> list[MeanRank]:
    """Mean ranks within the largest complete block, the best first.

    Ranks mean something only among configurations that were all run on the same boards. Of the sets of boards that some
    configuration was run on, the one counts for which boards × configurations is largest. Where a configuration has
    several rows on a board (recipes, versions), its best one stands for it.
    """
    best: dict[Configuration, dict[Board, Row]] = {}
    for row in rows:
        if row.score.mean is not None:
            own = best.setdefault(_configuration(row), {})
            other = own.get(row.board)
            if other is None or (other.score.mean or 0.0) < row.score.mean:
                own[row.board] = row
    boards = _largest_block([frozenset(own) for own in best.values()])
    if len(boards) < 2:
        return []
    block = {key: own for key, own in best.items() if boards <= own.keys()}
    ranks: dict[Configuration, dict[Board, float]] = {key: {} for key in block}
    for board in sorted(boards):
        places = rankdata([-(own[board].score.mean or 0.0) for own in block.values()], method="average")
        for key, place in zip(block, places, strict=True):
            ranks[key][board] = float(place)
    return sorted((MeanRank(key, ranks[key]) for key in block), key=lambda one: (one.mean, one.configuration))


def with_mean_rank(rows: Sequence[Row]) -> list[Row]:
    """The rows with `mean_rank` where their configuration is in the block; on boards of the block only."""
    found = {(one.configuration, board): one.mean for one in mean_ranks(rows) for board in one.ranks}
    return [
        row if row.score.mean is None else row.compared(mean_rank=found.get((_configuration(row), row.board)))
        for row in rows
    ]


def volumes(rows: Sequence[Row]) -> list[Volume]:
    """The hypervolume of every adapter family that was run on a backbone and board with a linear probe."""
    groups: dict[Context, list[Row]] = {}
    for row in rows:
        if row.score.mean is not None:
            groups.setdefault(row.context, []).append(row)
    found: list[Volume] = []
    for context, members in sorted(groups.items()):
        probe = max((row.score.mean or 0.0 for row in members if row.is_linear_probe), default=None)
        if probe is not None:
            found += _family_volumes(context, members, probe)
    return found


def with_hypervolume(rows: Sequence[Row]) -> list[Row]:
    """The rows with the hypervolume of their family on their backbone and board."""
    found = {(one.context, one.family): one.value for one in volumes(rows)}
    return [
        row if row.score.mean is None else row.weighed(hypervolume=found.get((row.context, row.family))) for row in rows
    ]


def _family_volumes(context: Context, rows: Sequence[Row], probe: float) -> list[Volume]:
    found = []
    for family in sorted({row.family for row in rows}):
        own = [row for row in rows if row.family == family]
        sizes = [
            (row.cost.parameters_without_head, row.score.mean)
            for row in own
            if row.cost.parameters_without_head is not None and row.score.mean is not None
        ]
        value = hypervolume(sizes, probe=probe, full=max(map(_backbone_parameters, own))) if sizes else None
        if value is not None:
            found.append(Volume(context, family, len({size for size, _ in sizes}), value))
    return found


def _backbone_parameters(row: Row) -> int:
    """All of the backbone's: what full fine-tuning would train."""
    return (row.cost.total_parameters or 0) - (row.cost.adapter_parameters or 0) - (row.cost.head_parameters or 0)


def _configuration(row: Row) -> Configuration:
    return row.backbone, row.adapter, row.labels, row.weights


def _largest_block(sets: Sequence[frozenset[Board]]) -> frozenset[Board]:
    def size(boards: frozenset[Board]) -> tuple[int, int, list[Board]]:
        return len(boards) * sum(boards <= other for other in sets), len(boards), sorted(boards, reverse=True)

    return max(set(sets), key=size, default=frozenset())
