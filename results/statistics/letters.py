"""Which of several rows cannot be told apart: all pairs tested, and the answer as a compact letter display."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import combinations, combinations_with_replacement
from string import ascii_lowercase, ascii_uppercase

from results.statistics.significance import ALPHA, holm

Pair = tuple[int, int]
_LETTERS = ascii_lowercase + ascii_uppercase


def told_apart(p_values: dict[Pair, float]) -> set[Pair]:
    """The pairs whose difference stands after Holm's correction over all of them.

    A row that is surely worse than all others takes the first steps of the correction, so that it changes no verdict
    between others.
    """
    corrected = holm(list(p_values.values()))
    return {pair for pair, p in zip(p_values, corrected, strict=True) if p < ALPHA}


def letters(count: int, apart: Collection[Pair]) -> list[str]:
    """A compact letter display: two rows share a letter if and only if they cannot be told apart.

    Insert, absorb and sweep (Piepho 2004, Journal of Computational and Graphical Statistics 13; Gramm et al. 2007,
    Computational Statistics & Data Analysis 52): all rows start as one group, which is split by each pair that is told
    apart; groups within others, and groups whose every pair shares another, are dropped.

    Args:
        count: rows, the best first.
        apart: pairs of their places.

    Returns:
        The letters of each row; `a` is that of the best.
    """
    groups = [frozenset(range(count))] if count else []
    for first, second in sorted(apart):
        split = []
        for group in groups:
            split += [group - {first}, group - {second}] if {first, second} <= group else [group]
        groups = _largest(split)
    groups = sorted(_swept(groups), key=sorted)
    return ["".join(_letter(place) for place, group in enumerate(groups) if row in group) for row in range(count)]


def all_pairs(count: int) -> list[Pair]:
    """Places of two, the better first."""
    return list(combinations(range(count), 2))


def _largest(groups: Sequence[frozenset[int]]) -> list[frozenset[int]]:
    distinct = sorted(set(groups), key=len, reverse=True)
    kept: list[frozenset[int]] = []
    for group in distinct:
        if not any(group <= other for other in kept):
            kept.append(group)
    return kept


def _swept(groups: Sequence[frozenset[int]]) -> list[frozenset[int]]:
    """Without groups whose every pair (or lone row) is in another, the smallest first."""
    shared: Counter[Pair] = Counter(pair for group in groups for pair in _pairs(group))
    kept = list(groups)
    for group in sorted(groups, key=lambda group: (len(group), sorted(group))):
        if all(shared[pair] > 1 for pair in _pairs(group)):
            kept.remove(group)
            shared.subtract(_pairs(group))
    return kept


def _pairs(group: frozenset[int]) -> list[Pair]:
    """Of its rows, each with itself too."""
    return list(combinations_with_replacement(sorted(group), 2))


def _letter(place: int) -> str:
    """a to z, A to Z, then a2, b2 …"""
    turn, letter = divmod(place, len(_LETTERS))
    return _LETTERS[letter] + (str(turn + 1) if turn else "")
