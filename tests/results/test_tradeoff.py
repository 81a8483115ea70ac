from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from results.tradeoff import pareto_front

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
