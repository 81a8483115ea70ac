"""Rows of several boards or sizes summed up: mean rank over tasks, hypervolume of a family's size sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from results.statistics.bootstrap import LEVEL, Scores, mean, resampled_means
from results.statistics.letters import all_pairs, letters, told_apart
from results.statistics.paired import PairedScores
from results.statistics.significance import combined_p_value
from results.statistics.tradeoff import hypervolume
from results.table.groups import Board
from results.table.row import Context, Row
from results.table.standing import MOST_ROWS as MOST_CONFIGURATIONS
from results.table.standing import common

Configuration = tuple[str, str, tuple[str, ...], str, str]
"""What is run on several tasks: backbone, adapter, labels, weights and modality."""


@dataclass(frozen=True)
class MeanRank:
    """Where a configuration stands over several boards; 1 is best everywhere."""

    configuration: Configuration
    ranks: dict[Board, float]
    """Among all configurations of the block; equal scores share the mean of their ranks."""
    rows: dict[Board, Row]
    """That stand for it."""

    @property
    def backbone(self) -> str:
        return self._any.short_backbone

    @property
    def adapter(self) -> str:
        return self._any.short_adapter

    @property
    def letters(self) -> str:
        """Configurations that share one cannot be told apart over the boards; empty where that is unknown."""
        return self._any.comparison.mean_rank_letters

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the mean rank stands in 95 % of the resamples."""
        low, high = self._any.comparison.mean_rank_low, self._any.comparison.mean_rank_high
        return None if low is None or high is None else (low, high)

    @property
    def _any(self) -> Row:
        return next(iter(self.rows.values()))

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
    standing = [MeanRank(key, ranks[key], {board: block[key][board] for board in sorted(boards)}) for key in block]
    return sorted(standing, key=lambda one: (one.mean, one.configuration))


def with_mean_rank(rows: Sequence[Row], scores: Mapping[int, PairedScores]) -> list[Row]:
    """The rows with `mean_rank`, its interval and letters where their configuration is in the block, on its boards.

    Args:
        scores: by the place of a row, of those whose verdicts may be asked for.
    """
    standing = mean_ranks(rows)
    by_row = {id(row): scores[place] for place, row in enumerate(rows) if place in scores}
    sure = _over_boards(standing, by_row)
    found = {(one.configuration, board): one for one in standing for board in one.ranks}
    placed = []
    for row in rows:
        one = found.get((_configuration(row), row.board)) if row.score.mean is not None else None
        if one is not None:
            low, high, group = sure.get(one.configuration, (None, None, ""))
            row = row.compared(mean_rank=one.mean, mean_rank_low=low, mean_rank_high=high, mean_rank_letters=group)
        placed.append(row)
    return placed


def _over_boards(
    standing: Sequence[MeanRank], scores: Mapping[int, PairedScores]
) -> dict[Configuration, tuple[float, float, str]]:
    """Interval of the mean rank, and letters, of each configuration; empty where one lacks scores on some board."""
    matrices = _matrices(standing, scores)
    if not 2 <= len(standing) <= MOST_CONFIGURATIONS or not matrices:
        return {}
    pairs = all_pairs(len(standing))
    p_values = {(i, j): combined_p_value([own[i] - own[j] for own in matrices]) for i, j in pairs}
    groups = letters(len(standing), told_apart(p_values))
    ranks = np.mean([rankdata(-resampled_means(own), axis=1) for own in matrices], axis=0)
    low, high = np.quantile(ranks, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return {one.configuration: (float(low[i]), float(high[i]), groups[i]) for i, one in enumerate(standing)}


def _matrices(standing: Sequence[MeanRank], scores: Mapping[int, PairedScores]) -> list[list[Scores]]:
    """For each board the scores of all configurations on the same seeds and items; empty where some lack them."""
    matrices = []
    for board in sorted(standing[0].ranks) if standing else ():
        own = [scores.get(id(one.rows[board])) for one in standing]
        known = [one for one in own if one]
        shared = set.intersection(*(set(one.seeds) for one in known)) if known else set()
        if len(known) < len(own) or len({one.items for one in known}) > 1 or len(shared) < 2:
            return []
        matrices.append(common(known))
    return matrices


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
    return row.backbone, row.adapter, row.labels, row.weights, row.modality


def _largest_block(sets: Sequence[frozenset[Board]]) -> frozenset[Board]:
    def size(boards: frozenset[Board]) -> tuple[int, int, list[Board]]:
        return len(boards) * sum(boards <= other for other in sets), len(boards), sorted(boards, reverse=True)

    return max(set(sets), key=size, default=frozenset())
