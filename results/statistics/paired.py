"""What the seeds of a group scored on the same test items, and two groups side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from registry.vocabulary import ItemScore
from results.record import RunRecord
from results.statistics.bootstrap import Difference, Groups, Items, Scores, aligned, by_group, differences, mean
from results.statistics.significance import p_value

ItemsOf = Callable[[str], Sequence[ItemScore]]
"""From a run's hash to its scored test items, empty where there are none."""


class Kind(NamedTuple):
    """One line of a breakdown: a question type, a class or a retrieval direction."""

    name: str
    items: int
    score: float
    """Mean over seeds, in percent."""


@dataclass(frozen=True, eq=False)
class PairedScores:
    """Scores of some seeds on the items that all of them were scored on."""

    seeds: tuple[int, ...]
    items: Items
    scores: Scores
    groups: Groups = ()
    """Of each item; () where all stand alone."""

    @property
    def units(self) -> Scores:
        """Scores of what may be drawn again: groups where items have them, (seeds, units)."""
        return by_group(self.scores, self.groups)

    def of_kind(self, kind: str) -> PairedScores:
        """The items of one kind alone."""
        columns = [column for column, (_, own) in enumerate(self.items) if own == kind]
        groups = tuple(self.groups[column] for column in columns) if self.groups else ()
        items = tuple(self.items[column] for column in columns)
        return PairedScores(self.seeds, items, self.scores[:, columns], groups)

    def of_seeds(self, seeds: Sequence[int]) -> Scores:
        """The rows of these seeds, in this order."""
        return self.scores[[self.seeds.index(seed) for seed in seeds]]

    def breakdown(self) -> tuple[Kind, ...]:
        """Every kind in the order of the names; empty where the items have none, or only one."""
        columns = _columns(self.items)
        if len(columns) < 2:
            return ()
        means = self.scores.mean(axis=0)
        return tuple(
            Kind(kind, len(own), 100 * mean(means[own].tolist())) for kind, own in sorted(columns.items()) if kind
        )


# A board's rows have the same items, so a few entries serve thousands of rows.
@lru_cache(maxsize=8)
def _columns(items: Items) -> dict[str, list[int]]:
    """Places of the items of each kind."""
    columns: dict[str, list[int]] = {}
    for column, (_, kind) in enumerate(items):
        columns.setdefault(kind, []).append(column)
    return columns


@dataclass(frozen=True)
class PairedTest:
    """Two rows on the same seeds and items."""

    difference: Difference
    p_value: float
    seeds: int
    items: int
    """Or groups of them, where items have groups."""


def paired_scores(runs: Sequence[RunRecord], items_of: ItemsOf) -> PairedScores | None:
    """The scores of runs that differ in their seed only, None where `aligned` finds no common items."""
    found = aligned(items_of(run.hash) for run in runs)
    return None if found is None else PairedScores(tuple(run.seed for run in runs), *found)


def compare(first: PairedScores | None, second: PairedScores | None) -> PairedTest | None:
    """`first` minus `second` over the seeds that both have; None where they share no seed or have other items."""
    (found,) = compare_all([(first, second)])
    return found


def compare_all(pairs: Sequence[tuple[PairedScores | None, PairedScores | None]]) -> list[PairedTest | None]:
    """The same for many pairs at once, which is quicker."""
    paired = [_paired(first, second) for first, second in pairs]
    known = [matrix for matrix in paired if matrix is not None]
    found = iter(
        PairedTest(difference, p_value(matrix), *matrix.shape)
        for matrix, difference in zip(known, differences(known), strict=True)
    )
    return [None if matrix is None else next(found) for matrix in paired]


def _paired(first: PairedScores | None, second: PairedScores | None) -> Scores | None:
    if first is None or second is None or first.items != second.items:
        return None
    seeds = sorted(set(first.seeds) & set(second.seeds))
    if not seeds or not first.items:
        return None
    return by_group(first.of_seeds(seeds) - second.of_seeds(seeds), first.groups)
