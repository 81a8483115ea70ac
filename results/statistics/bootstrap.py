"""What a handful of seeds and a few hundred test items say about a score, and about a difference of two scores."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from registry.vocabulary import ItemScore

RESAMPLES = 1000
LEVEL = 0.95
ROUNDING = 1e-24
"""Variance below which scores that are all equal leave rounding behind, no noise."""

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
    """Half the width of the 95 % interval of the mean score, in percentage points, see `bounds`.

    With one seed only the choice of items is in it, not the noise between seeds.
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
    """The 95 % interval of each mean, in percentage points: the means whose p-value is 5 % or more.

    Every seed was scored on the same items, and both are drawn from many: mean ± t · sqrt(variance), with Student's t
    at the degrees of freedom of `variance_of_mean`.
    """
    found = []
    for scores in many:
        variance, freedom = variance_of_mean(scores)
        half = float(stdtrit(freedom, (1 + LEVEL) / 2)) * math.sqrt(variance) if variance > ROUNDING else 0.0
        centre = float(scores.mean())
        found.append((100 * (centre - half), 100 * (centre + half)))
    return found


def variance_of_mean(scores: Scores) -> tuple[float, float]:
    """The variance of a mean over seeds and items, (seeds, items), and its degrees of freedom.

    The variance is taken apart by the two-way analysis of variance without replication. With mean squares M_s of seeds,
    M_i of items and M_r of the rest, and components that come out negative set to 0,

        var(mean) = (M_r + max(M_s - M_r, 0) + max(M_i - M_r, 0)) / (seeds · items)

    with Satterthwaite's degrees of freedom (Satterthwaite 1946, Biometrics Bulletin 2; Gallas 2006, Academic Radiology
    13). Few seeds that disagree leave few of them. With one seed it is the variance of a mean over items.
    """
    parts = variance_parts(scores)
    variance = math.fsum(share for share, _ in parts) / scores.size
    squares = math.fsum(share**2 / degrees for share, degrees in parts)
    return variance, (variance * scores.size) ** 2 / squares if squares else math.inf


def variance_parts(scores: Scores) -> list[tuple[float, int]]:
    """Terms of seeds · items · var(mean), each with its degrees of freedom."""
    seeds, items = scores.shape
    if items < 2:
        return []
    by_item = scores.mean(axis=0)
    if seeds == 1:
        return [(float(by_item.var(ddof=1)), items - 1)]
    by_seed = scores.mean(axis=1)
    of_seeds, of_items = items * float(by_seed.var(ddof=1)), seeds * float(by_item.var(ddof=1))
    freedom = (seeds - 1) * (items - 1)
    rest = scores - by_item[None, :] - by_seed[:, None] + scores.mean()
    of_rest = float((rest**2).sum()) / freedom
    counted = [(size, n) for size, n in ((of_seeds, seeds - 1), (of_items, items - 1)) if size > of_rest]
    return [*counted, ((1 - len(counted)) * of_rest, freedom)]


def resampled_means(many: Sequence[Scores]) -> Scores:
    """Means of matrices of one shape, (seeds, items) each, in every resample: -> (RESAMPLES, matrices).

    Seeds and items are drawn again with replacement, independently and crossed, all matrices alike, so that what rows
    share stays paired. Drawn as they are, scores would show the noise of single answers three times (Owen 2007, The
    Annals of Applied Statistics 1(2)), so effects of seeds and of items are drawn, each shrunk to its component of
    variance as in `variance_of_mean`, and what is left of the scores (Carpenter, Goldstein, Rasbash 2003, Applied
    Statistics 52, for nested effects). S seeds show (S - 1) / S of their variance and estimate it with S - 1 degrees of
    freedom: effects of seeds are widened by the root of S / (S - 1), and in each resample of (S - 1) / chi-square.
    """
    seeds, items = many[0].shape
    stacked = np.stack(many)
    centre = stacked.mean(axis=(1, 2))
    of_seeds, of_items = stacked.mean(axis=2) - centre[:, None], stacked.mean(axis=1) - centre[:, None]
    rest = stacked - of_seeds[:, :, None] - of_items[:, None, :] - centre[:, None, None]
    by_item, by_seed = _weights("items", items), _weights("seeds", seeds)
    drawn = (by_item @ rest.reshape(-1, items).T).reshape(RESAMPLES, -1, seeds)
    means: Scores = centre + (drawn * by_seed[:, None, :]).sum(axis=2)
    if seeds < 2:
        return means + by_item @ of_items.T
    of_rest = (rest**2).sum(axis=(1, 2)) / ((seeds - 1) * max(items - 1, 1))
    shrunk_items = of_items * _shrinkage(seeds * of_items.var(axis=1, ddof=min(1, items - 1)), of_rest)[:, None]
    shrunk_seeds = of_seeds * _shrinkage(items * of_seeds.var(axis=1, ddof=1), of_rest)[:, None]
    widened = math.sqrt(seeds / (seeds - 1)) * _spread(seeds)[:, None]
    return means + by_item @ shrunk_items.T + widened * (by_seed @ shrunk_seeds.T)


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


def _shrinkage(squares: Scores, of_rest: Scores) -> Scores:
    """What makes effects of these mean squares as large as their component of variance."""
    component = np.maximum(squares - of_rest, 0.0)
    shares: Scores = np.sqrt(np.divide(component, squares, out=np.zeros_like(squares), where=squares > 0))
    return shares


@lru_cache(maxsize=4)
def _spread(seeds: int) -> Scores:
    """(RESAMPLES,): how much larger than it seems the noise between so few seeds may be; the same at each call."""
    found: Scores = np.sqrt((seeds - 1) / np.random.default_rng([seeds, 2]).chisquare(seeds - 1, RESAMPLES))
    return found


# Few entries: for ten thousand items one takes 80 MB.
@lru_cache(maxsize=4)
def _weights(unit: Literal["seeds", "items"], count: int) -> NDArray[np.float64]:
    """(RESAMPLES, count): the share of each of `count` units in every resample; the same draws at each call."""
    generator = np.random.default_rng([count, unit == "seeds"])
    draws = generator.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    return draws / count
