"""What a handful of seeds and a few hundred test items say about a score, and about a difference of two scores."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from registry.vocabulary import ItemScore

RESAMPLES = 1000
LEVEL = 0.95
_TOGETHER = 256
"""Matrices in one product, which bounds its memory."""

Scores = NDArray[np.float64]
"""(seeds, items), each in 0..1."""
Items = tuple[tuple[str, str], ...]
"""(item, kind) of each column of scores, sorted."""
Groups = tuple[str, ...]
"""What each item shares with others; "" stands alone."""


@dataclass(frozen=True)
class Difference:
    """Mean difference of two rows in percentage points, and its 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


def mean(values: Sequence[float]) -> float:
    """The mean, summed exactly, so that the order of the values does not show."""
    return math.fsum(values) / len(values)


def std(values: Sequence[float]) -> float | None:
    """The sample standard deviation (n - 1); None for a single value, whose spread is unknown rather than 0."""
    if len(values) < 2:
        return None
    centre = mean(values)
    return math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1))


def aligned(runs: Iterable[Sequence[ItemScore]]) -> tuple[Items, Scores, Groups] | None:
    """The scores of several seeds on the same items, the items in the order of their names, and the group of each.

    None where a run has no items, names one twice, or was scored on other items than the rest.
    """
    first: tuple[object, object] | None = None
    order: list[tuple[str, str]] = []
    belong: Groups = ()
    places: list[int] = []
    scores: list[Sequence[float]] = []
    for run in runs:
        if not run:
            return None
        items, own, kinds, groups = zip(*run, strict=True)
        # Mostly the items of all runs come in one order, which is quicker to see than to sort.
        if (items, kinds) != first:
            names = list(zip(items, kinds, strict=True))
            places = sorted(range(len(names)), key=names.__getitem__)
            ranked = [names[place] for place in places]
            if first is None:
                order = ranked
                belong = tuple(groups[place] for place in places)
            if ranked != order or len(set(order)) != len(order):
                return None
            first = (items, kinds)
        scores.append([own[place] for place in places])
    return (tuple(order), np.array(scores, dtype=np.float64), belong) if scores else None


def by_group(scores: Scores, groups: Groups) -> Scores:
    """Scores of groups in place of items, (seeds, items) -> (seeds, groups); as they are where every item is alone.

    Items of one group are no independent evidence, so groups are what is drawn again and tested. The mean over items is
    a ratio of sums over groups; with G groups, N items and mean m, a group of n items that sum to s counts as
    m + G / N (s - n m), the ratio's linear part (Cochran 1977, Sampling Techniques, chapter 6). The mean of each seed
    stays what it is.
    """
    if not any(groups):
        return scores
    # Items without a group are groups of their own.
    names = [group or ("", place) for place, group in enumerate(groups)]
    places = {name: number for number, name in enumerate(dict.fromkeys(names))}
    member = np.zeros((len(names), len(places)))
    member[np.arange(len(names)), [places[name] for name in names]] = 1.0
    sums, sizes, mean = scores @ member, member.sum(axis=0), scores.mean()
    found: Scores = mean + len(places) / len(names) * (sums - sizes * mean)
    return found


def score_matrix(runs: Iterable[Sequence[ItemScore]]) -> Scores | None:
    """The scores alone of `aligned`."""
    found = aligned(runs)
    return None if found is None else found[1]


def interval(scores: Scores) -> float:
    """Half the width of the 95 % bootstrap interval of the mean score, in percentage points.

    With one seed only the items are drawn again, so the noise between seeds is not in it.
    """
    ((low, high),) = bounds([scores])
    return (high - low) / 2


def paired_difference(first: Scores, second: Scores) -> Difference:
    """How much better `first` is than `second`, both on the same seeds and items, (seeds, items) each.

    Raises:
        ValueError: the two are not of one shape.
    """
    if first.shape != second.shape:
        raise ValueError(f"paired scores need one shape, got {first.shape} and {second.shape}")
    (difference,) = differences([first - second])
    return difference


def differences(paired: Sequence[Scores]) -> list[Difference]:
    """The same for many matrices of paired differences at once."""
    return [
        Difference(100 * float(one.mean()), low, high) for one, (low, high) in zip(paired, bounds(paired), strict=True)
    ]


def bounds(many: Sequence[Scores]) -> list[tuple[float, float]]:
    """Percentile bounds in percentage points from drawing seeds and items again, each with replacement.

    Every seed was scored on the same items, so the two are drawn independently and crossed (the pigeonhole bootstrap:
    Owen 2007, The Annals of Applied Statistics 1(2)). Drawing S seeds again shows (S - 1) / S of their variance, which
    for three seeds is a third too little; widening the seed means around their mean by sqrt(S / (S - 1)) restores it.

    Matrices of one shape are drawn together, which for thousands of rows is many times quicker.
    """
    found: dict[int, tuple[float, float]] = {}
    tail = (1 - LEVEL) / 2
    shapes: dict[tuple[int, int], list[int]] = {}
    for index, scores in enumerate(many):
        shapes.setdefault((scores.shape[0], scores.shape[1]), []).append(index)
    for own in shapes.values():
        for start in range(0, len(own), _TOGETHER):
            part = own[start : start + _TOGETHER]
            means = resampled_means([many[index] for index in part])
            # The last digits of a product depend on how many were multiplied together; a table must not.
            low, high = np.round(100 * np.quantile(means, [tail, 1 - tail], axis=0), 9)
            found |= {index: (float(low[i]), float(high[i])) for i, index in enumerate(part)}
    return [found[index] for index in range(len(many))]


def resampled_means(many: Sequence[Scores]) -> Scores:
    """Means of matrices of one shape, (seeds, items) each, in every resample: -> (RESAMPLES, matrices).

    All are drawn alike, so that seeds and items that rows share stay paired.
    """
    seeds, items = many[0].shape
    stacked = np.stack([_widened(one) for one in many])
    by_seed = _weights("items", items) @ stacked.reshape(-1, items).T
    means: Scores = (by_seed.reshape(RESAMPLES, -1, seeds) * _weights("seeds", seeds)[:, None, :]).sum(axis=2)
    return means


def rank_bounds(means: Scores) -> list[tuple[int, int]]:
    """Between which ranks each row stands in 95 % of the resamples, (RESAMPLES, rows); 1 is the highest mean.

    Equal means share all ranks that they take up.
    """
    better = (means[:, None, :] > means[:, :, None] + 1e-12).sum(axis=2)
    as_good = (means[:, None, :] >= means[:, :, None] - 1e-12).sum(axis=2)
    tail = (1 - LEVEL) / 2
    low = np.quantile(1 + better, tail, axis=0, method="lower")
    high = np.quantile(as_good, 1 - tail, axis=0, method="higher")
    return [(int(first), int(last)) for first, last in zip(low, high, strict=True)]


def _widened(scores: Scores) -> Scores:
    seeds = len(scores)
    if seeds < 2:
        return scores
    seed_means = scores.mean(axis=1, keepdims=True)
    return scores + (math.sqrt(seeds / (seeds - 1)) - 1) * (seed_means - seed_means.mean())


# Few entries: for ten thousand items one takes 80 MB.
@lru_cache(maxsize=4)
def _weights(unit: Literal["seeds", "items"], count: int) -> NDArray[np.float64]:
    """(RESAMPLES, count): the share of each of `count` units in every resample; the same draws at each call."""
    generator = np.random.default_rng([count, unit == "seeds"])
    draws = generator.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    return draws / count
