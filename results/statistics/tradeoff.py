"""Scores weighed against costs: the Pareto front, PPT, and the hypervolume of a family's size sweep."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

PPT_SCALE = 1e7
"""C of PPT: the trainable parameters at which its factor is exp(-log10 2) = 0.740."""
SMALLEST = 1e4
"""Parameters from which on a method pays in the hypervolume."""


def pareto_front(points: Sequence[tuple[float, float]], tolerances: Sequence[float] | None = None) -> list[bool]:
    """Whether each `(cost, score)` is undominated: no other costs at most as much, scores at least as high and differs.

    Equal points do not dominate each other, so ties stay on the front together.

    Args:
        tolerances: for each point, what its score may be too low by chance; it leaves the front only if another's
            score is at least that much higher. None is 0 for all.
    """
    front = [False] * len(points)
    best = cheaper_best = float("-inf")
    previous_cost: float | None = None
    for index in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        cost, score = points[index]
        if cost != previous_cost:
            previous_cost, cheaper_best, highest_here = cost, best, score
        highest = score + (tolerances[index] if tolerances else 0.0)
        front[index] = highest >= highest_here and highest > cheaper_best
        best = max(best, score)
    return front


def ppt(score: float, parameters: float) -> float:
    """Performance-parameter trade-off of V-PETL Bench: M · exp(-log10(P / C + 1)) with C = 10^7.

    Args:
        score: in percent; M is in 0..1.
        parameters: trainable ones without the task's head.
    """
    return score / 100 * math.exp(-math.log10(parameters / PPT_SCALE + 1))


def hypervolume(sizes: Iterable[tuple[float, float]], *, probe: float, full: float) -> float | None:
    """The share of the possible that a family reaches over its sizes; 0 is the linear probe, 1 is perfect for nothing.

    Each size is a point (u, v): u = 1 - log10(P / 10^4) / log10(full / 10^4) is what it saves and
    v = (score - probe) / (100 - probe) what it gains, both held in 0..1. The volume is the area that the points
    dominate, seen from (0, 0).

    Args:
        sizes: (trainable parameters without the head, score in percent).
        probe: score of the linear probe in percent.
        full: parameters of the whole backbone.

    Returns:
        None where the backbone is so small, or the probe so good, that a share means nothing.
    """
    if full <= SMALLEST or probe >= 100:
        return None
    points = sorted(
        ((_saved(size, full), _held((score - probe) / (100 - probe))) for size, score in sizes), reverse=True
    )
    area, height = 0.0, 0.0
    for saved, gained in points:
        area += saved * max(0.0, gained - height)
        height = max(height, gained)
    return area


def _saved(parameters: float, full: float) -> float:
    if parameters <= SMALLEST:
        return 1.0
    return 1 - _held(math.log10(parameters / SMALLEST) / math.log10(full / SMALLEST))


def _held(share: float) -> float:
    return min(max(share, 0.0), 1.0)
