"""Whether a difference of two rows could be chance: p-values of paired scores, and Holm's correction for many of them.

Seeds and items are both drawn from many (Clark 1973, Journal of Verbal Learning and Verbal Behavior 12; Gallas 2006,
Academic Radiology 13): a difference counts if it would be seen again with other seeds and other items.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.stats import t as student

from results.statistics.bootstrap import ROUNDING, Scores, variance_of_mean, variance_parts

ALPHA = 0.05
POWER = 0.8
MOST_SEEDS = 1000
"""Seeds beyond which nobody will go to tell two rows apart."""


def p_value(difference: Scores) -> float:
    """Two-sided p-value of a mean of 0 for paired differences, (seeds, items); with one seed the paired t-test.

    t = mean / sqrt(variance) has the degrees of freedom of `variance_of_mean`, so that p is below 5 % where the
    interval leaves 0 out.
    """
    centre = float(difference.mean())
    variance, freedom = variance_of_mean(difference)
    if variance <= ROUNDING:
        return 1.0 if abs(centre) <= 1e-12 else 0.0
    return float(2 * student.sf(abs(centre) / variance**0.5, freedom))


def combined_p_value(paired: Sequence[Scores]) -> float:
    """The same for the mean over several boards of paired differences, (seeds, items) each; boards count equally.

    Boards are not drawn from many: the verdict is on these. Their variances add up, and Satterthwaite's degrees of
    freedom are those of the sum.
    """
    centre = math.fsum(float(one.mean()) for one in paired) / len(paired)
    terms = [
        (share / (one.size * len(paired) ** 2), freedom) for one in paired for share, freedom in variance_parts(one)
    ]
    variance = math.fsum(share for share, _ in terms)
    if variance <= ROUNDING:
        return 1.0 if abs(centre) <= 1e-12 else 0.0
    freedom = variance**2 / math.fsum(share**2 / degrees for share, degrees in terms)
    return float(2 * student.sf(abs(centre) / variance**0.5, freedom))


def seeds_to_separate(difference: Scores) -> float | None:
    """How many seeds would show a difference as large as this one with 80 % power at 5 %; (seeds, items).

    With components of variance of seeds, items and the rest as in `p_value`, S seeds leave

        var(mean) = (seeds + rest / items) / S + items / items,

    of which no number of seeds takes the second part away.

    Returns:
        Infinity where only more test items would help, or nothing; None with fewer than two seeds, which tell nothing
        of the noise between seeds.
    """
    seeds, items = difference.shape
    if seeds < 2 or items < 2:
        return None
    centre = abs(float(difference.mean()))
    by_seed, by_item = difference.mean(axis=1), difference.mean(axis=0)
    rest = float(((difference - by_item - by_seed[:, None] + difference.mean()) ** 2).sum())
    rest /= (seeds - 1) * (items - 1)
    of_seeds = max(float(by_seed.var(ddof=1)) - rest / items, 0.0) + rest / items
    of_items = max(float(by_item.var(ddof=1)) - rest / seeds, 0.0) / items
    for wanted in range(2, MOST_SEEDS + 1):
        # Items are many, so that the seeds' degrees of freedom count in proportion to their share.
        variance = of_seeds / wanted + of_items
        if variance == 0:
            return float(wanted) if centre else math.inf
        freedom = variance**2 / ((of_seeds / wanted) ** 2 / (wanted - 1) + of_items**2 / (items - 1))
        if centre >= float(student.isf(ALPHA / 2, freedom) + student.isf(1 - POWER, freedom)) * variance**0.5:
            return float(wanted)
    return math.inf


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for being several, in the order given (Holm 1979, Scandinavian Journal of Statistics 6).

    The smallest is multiplied by their number m, the next by m - 1, and so on; none is smaller than the one before it.
    """
    corrected = [0.0] * len(p_values)
    least = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = least
    return corrected
