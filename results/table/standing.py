"""How sure the order of a board is: groups that cannot be told apart, and between which ranks a row stands."""

from __future__ import annotations

from collections.abc import Sequence

from results.statistics.bootstrap import Scores, rank_bounds, resampled_means
from results.statistics.letters import all_pairs, letters, told_apart
from results.statistics.paired import PairedScores, compare_all
from results.table.row import Row, rank_order
from results.table.within_board import MOST_SEEDS_SAY_NOTHING_BELOW

MOST_ROWS = 60
"""Rows of a board up to which every pair is tested; more have no letters."""


def with_letters(rows: Sequence[Row], known: Sequence[PairedScores | None]) -> list[Row]:
    """The rows with letters and rank intervals: those of the board that share items and at least two seeds."""
    places = _comparable(rows, known)
    if not 2 <= len(places) <= MOST_ROWS:
        return list(rows)
    scores = [own for place in places if (own := known[place])]
    pairs = all_pairs(len(places))
    found = compare_all([(scores[first], scores[second]) for first, second in pairs])
    p_values = {pair: test.p_value for pair, test in zip(pairs, found, strict=True) if test}
    ranks = rank_bounds(resampled_means(common(scores)))
    placed = list(rows)
    for place, group, (low, high) in zip(places, letters(len(places), told_apart(p_values)), ranks, strict=True):
        placed[place] = rows[place].compared(letters=group, rank_low=low, rank_high=high)
    return placed


def _comparable(rows: Sequence[Row], known: Sequence[PairedScores | None]) -> list[int]:
    """Places of the rows that share items and seeds with the best of them, the best first."""
    ranked = sorted((place for place, own in enumerate(known) if own), key=lambda place: rank_order(rows[place]))
    enough = [place for place in ranked if _seeds(known[place]) >= MOST_SEEDS_SAY_NOTHING_BELOW]
    by_items: dict[object, list[int]] = {}
    for place in enough:
        own = known[place]
        by_items.setdefault(own.items if own else (), []).append(place)
    alike = max(by_items.values(), key=len, default=[])
    shared = [set(own.seeds) for place in alike if (own := known[place])]
    return alike if shared and len(set.intersection(*shared)) >= MOST_SEEDS_SAY_NOTHING_BELOW else []


def _seeds(own: PairedScores | None) -> int:
    return len(own.seeds) if own else 0


def common(scores: Sequence[PairedScores]) -> list[Scores]:
    """The units of each on the seeds that all have."""
    seeds = sorted(set.intersection(*(set(own.seeds) for own in scores)))
    return [PairedScores(tuple(seeds), own.items, own.of_seeds(seeds), own.groups).units for own in scores]
