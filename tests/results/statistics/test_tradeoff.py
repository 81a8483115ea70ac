from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.statistics.tradeoff import hypervolume, pareto_front, ppt

Point = tuple[float, float]
# Few distinct values, so that ties are common.
POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12)


def dominates(one: Point, other: Point) -> bool:
    return one[0] <= other[0] and one[1] >= other[1] and one != other


def front(points: list[Point]) -> list[Point]:
    return [point for point, kept in zip(points, pareto_front(points), strict=True) if kept]


def test_by_hand() -> None:
    points = [(10, 50.0), (20, 60.0), (20, 55.0), (30, 60.0), (5, 40.0), (20, 60.0)]
    assert pareto_front(points) == [True, True, False, False, True, True]
    assert pareto_front([]) == []


@given(POINTS)
def test_on_the_front_is_exactly_who_is_not_dominated(points) -> None:
    expected = [not any(dominates(other, point) for other in points) for point in points]
    assert pareto_front(points) == expected


@given(POINTS, st.randoms())
def test_the_order_does_not_matter(points, random) -> None:
    shuffled = random.sample(points, len(points))
    assert sorted(front(shuffled)) == sorted(front(points))


@given(POINTS, st.data())
def test_a_dominated_point_changes_nothing(points, data) -> None:
    cost, score = data.draw(st.sampled_from(points))
    worse = (cost + data.draw(st.integers(0, 3)), score - data.draw(st.integers(1, 3)))
    assert pareto_front([*points, worse]) == [*pareto_front(points), False]


@given(POINTS, st.data())
def test_tolerances_only_let_more_onto_the_front(points, data) -> None:
    tolerances = [data.draw(st.integers(0, 3)) for _ in points]
    tolerant = pareto_front(points, tolerances)
    assert all(kept for kept, exact in zip(tolerant, pareto_front(points), strict=True) if exact)
    assert pareto_front(points, [0] * len(points)) == pareto_front(points)


def test_a_tolerance_by_hand() -> None:
    """The second is a point behind the first at a higher cost: it stays while its interval is wider than that."""
    assert pareto_front([(1, 50.0), (2, 49.0)], [0.0, 1.5]) == [True, True]
    assert pareto_front([(1, 50.0), (2, 49.0)], [0.0, 1.0]) == [True, False]


@given(POINTS, st.data())
def test_a_dominated_point_changes_nothing_within_tolerances_either(points, data) -> None:
    tolerances = [data.draw(st.integers(0, 3)) for _ in points]
    cost, score = data.draw(st.sampled_from(points))
    worse = (cost + data.draw(st.integers(0, 3)), score - data.draw(st.integers(1, 3)))
    assert pareto_front([*points, worse], [*tolerances, 1])[: len(points)] == pareto_front(points, tolerances)


@pytest.mark.parametrize(
    ("score", "millions", "expected", "digits"),
    [
        # V-PETL Bench's README, Swin-B on COCO: Partial-1.
        (49.2, 12.60, 0.35, 2),
        # The factors by size.
        *[
            (100.0, size, factor, 3)
            for size, factor in ((0.1, 0.996), (1, 0.959), (5, 0.839), (10, 0.740), (20, 0.621))
        ],
        (100.0, 50.0, 0.459, 3),
        # Published AVE scores: frozen Swin, STG-CMA (CLIP-B, Swin-B twice, CLIP-L twice), LAVISH, and DG-SCT with the
        # 188,538,864 parameters of its adapters.
        (77.94, 0.0, 0.779, 3),
        (76.3, 3.5, 0.670, 3),
        (81.1, 5.6, 0.669, 3),
        (81.4, 10.07, 0.601, 3),
        (82.2, 10.7, 0.599, 3),
        (83.3, 20.1, 0.516, 3),
        (81.1, 10.1, 0.599, 3),
        (82.2, 188.538864, 0.225, 3),
    ],
)
def test_ppt_gives_the_published_cells(score, millions, expected, digits) -> None:
    assert round(ppt(score, millions * 1e6), digits) == expected


def test_the_hypervolume_by_hand() -> None:
    """full = 10^6: 10^4 parameters save all, 10^5 half. Probe 50: 75 is half of the gain, 100 all of it.

    (u, v) = (1, 0.5) and (0.5, 1): 1 · 0.5 + 0.5 · 0.5 = 0.75.
    """
    assert hypervolume([(1e4, 75.0), (1e5, 100.0)], probe=50, full=1e6) == pytest.approx(0.75)
    assert hypervolume([(0, 50.0)], probe=50, full=1e6) == 0.0
    assert hypervolume([(1e5, 40.0)], probe=50, full=1e6) == 0.0
    assert hypervolume([(0, 100.0)], probe=50, full=1e6) == 1.0
    assert hypervolume([(1e5, 60.0)], probe=50, full=1e4) is None
    assert hypervolume([(1e5, 60.0)], probe=100, full=1e6) is None


@given(st.lists(st.tuples(st.floats(0, 1e7), st.floats(0, 100)), max_size=6), st.floats(0, 99))
def test_a_further_size_never_lowers_the_hypervolume(sizes, probe) -> None:
    volumes = [hypervolume(sizes[:many], probe=probe, full=1e6) or 0.0 for many in range(len(sizes) + 1)]
    assert all(0 <= less <= more + 1e-12 <= 1 + 1e-9 for less, more in pairwise(volumes))
