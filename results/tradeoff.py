"""Which rows nobody beats on both sides of the bargain: few trainable parameters, high score."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Whether each `(cost, score)` is undominated: no other costs at most as much, scores at least as high and differs.

    Equal points do not dominate each other, so ties stay on the front together.
    """
    front = [False] * len(points)
    best = float("-inf")
    cheaper_best = float("-inf")
    previous_cost: float | None = None
    for index in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        cost, score = points[index]
        if cost != previous_cost:
            previous_cost, cheaper_best, highest_here = cost, best, score
        front[index] = score == highest_here and score > cheaper_best
        best = max(best, score)
    return front
