from __future__ import annotations

import numpy as np
import pytest

from registry.vocabulary import ItemScore
from results.statistics.bootstrap import by_group, interval, mean, paired_difference, rank_bounds, score_matrix, std


def test_mean_and_std_by_hand() -> None:
    assert mean([50.0, 53.0, 56.0]) == 53.0
    assert std([50.0, 53.0, 56.0]) == pytest.approx(3.0)
    assert std([50.0]) is None


def test_items_are_matched_by_name_and_kind() -> None:
    first = [ItemScore("a", 0.1), ItemScore("b", 0.2), ItemScore("a", 0.3, "audio to visual")]
    matrix = score_matrix([first, first[::-1]])
    assert matrix is not None
    np.testing.assert_array_equal(matrix, [[0.1, 0.3, 0.2]] * 2)


@pytest.mark.parametrize(
    "runs",
    [
        [],
        [[]],
        [[ItemScore("a", 1.0)], [ItemScore("b", 1.0)]],
        [[ItemScore("a", 1.0)], []],
        [[ItemScore("a", 1.0), ItemScore("a", 0.0)]],
    ],
)
def test_items_that_do_not_match_have_no_matrix(runs) -> None:
    assert score_matrix(runs) is None


def test_the_interval_of_one_seed_is_that_of_a_proportion() -> None:
    """The normal approximation: 1.96 sqrt(p (1 - p) / n)."""
    scores = np.repeat([[0.0, 1.0]], [300, 700], axis=1)
    assert interval(scores) == pytest.approx(100 * 1.96 * np.sqrt(0.3 * 0.7 / 1000), rel=0.08)


@pytest.mark.parametrize("seeds", [3, 40])
def test_the_interval_knows_the_noise_between_seeds(seeds) -> None:
    """All items alike: 1.96 s / sqrt(S) with the sample deviation s, of which the plain bootstrap shows too little."""
    levels = np.linspace(0.4, 0.6, seeds)[:, None].repeat(50, axis=1)
    expected = 100 * 1.96 * levels[:, 0].std(ddof=1) / np.sqrt(seeds)
    # Three seeds have ten distinct resamples, so their quantile is coarse.
    assert interval(levels) == pytest.approx(expected, rel=0.3 if seeds == 3 else 0.08)


def test_equal_scores_leave_no_doubt() -> None:
    assert interval(np.full((3, 10), 0.7)) == pytest.approx(0.0, abs=1e-9)


def test_a_paired_difference_removes_what_both_share() -> None:
    generator = np.random.default_rng(0)
    second = generator.random((3, 400))
    difference = paired_difference(second + 0.05, second)
    assert difference.mean == pytest.approx(5.0)
    assert (difference.low, difference.high) == pytest.approx((5.0, 5.0))
    assert interval(second) > 1.0


def test_a_paired_difference_covers_a_true_zero_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        difference = paired_difference(generator.random((5, 60)), generator.random((5, 60)))
        covered += difference.low <= 0 <= difference.high
    assert covered >= 184


def test_pairs_must_have_one_shape() -> None:
    with pytest.raises(ValueError, match="one shape"):
        paired_difference(np.zeros((1, 3)), np.zeros((1, 4)))


def test_groups_are_what_is_drawn_again_and_leave_the_mean_of_each_seed() -> None:
    generator = np.random.default_rng(0)
    # Twenty objects of one to nine clips, whose clips agree: there are twenty pieces of evidence, not a hundred.
    sizes = generator.integers(1, 10, 20)
    groups = tuple(f"object {number}" for number, size in enumerate(sizes) for _ in range(size))
    easy = (generator.random(20) < 0.6).astype(float)
    scores = np.repeat(easy, sizes)[None, :].repeat(3, axis=0)
    found = by_group(scores, groups)
    assert found.shape == (3, 20)
    assert found.mean(axis=1) == pytest.approx(scores.mean(axis=1))
    assert interval(found) > 1.5 * interval(scores)


def test_items_without_a_group_stand_alone() -> None:
    scores = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    assert by_group(scores, ("", "", "")) is scores
    assert by_group(scores, ("a", "", "")) == pytest.approx(scores)


def test_ranks_between_which_rows_stand() -> None:
    means = np.array([[0.9, 0.5, 0.5]] * 99 + [[0.4, 0.5, 0.6]])
    assert rank_bounds(means) == [(1, 1), (2, 3), (2, 3)]
