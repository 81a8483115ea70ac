from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from registry.vocabulary import ItemScore
from results.statistics.bootstrap import (
    by_group,
    interval,
    mean,
    paired_difference,
    rank_bounds,
    resampled_means,
    score_matrix,
    std,
    variance_of_mean,
)
from results.statistics.significance import p_value


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
    assert interval(scores) == pytest.approx(100 * 1.96 * np.sqrt(0.3 * 0.7 / 1000), rel=0.01)


@pytest.mark.parametrize("seeds", [3, 40])
def test_the_interval_knows_the_noise_between_seeds(seeds) -> None:
    """All items alike: t s / sqrt(S) with the sample deviation s and Student's t of S - 1 degrees of freedom."""
    levels = np.linspace(0.4, 0.6, seeds)[:, None].repeat(50, axis=1)
    expected = 100 * student.ppf(0.975, seeds - 1) * levels[:, 0].std(ddof=1) / np.sqrt(seeds)
    assert interval(levels) == pytest.approx(expected, rel=1e-9)


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


def answers(generator: np.random.Generator, seeds: int, items: int, noise: float) -> np.ndarray:
    """Right and wrong of items of their own difficulty, (seeds, items)."""
    level = 0.6 + generator.normal(0, noise, (seeds, 1)) + generator.normal(0, 0.25, items)
    return (generator.random((seeds, items)) < level.clip(0, 1)).astype(float)


def test_p_is_below_five_percent_where_the_interval_leaves_zero_out() -> None:
    generator = np.random.default_rng(4)
    for seeds in (1, 2, 3, 8):
        for _ in range(20):
            first, second = (answers(generator, seeds, 80, 0.05) for _ in range(2))
            found = paired_difference(first, second)
            assert (p_value(first - second) < 0.05) == (found.low > 0 or found.high < 0)


@pytest.mark.parametrize(("seeds", "noise"), [(3, 0.005), (3, 0.03), (10, 0.005), (10, 0.03)])
def test_intervals_hold_the_truth_about_as_often_as_they_say(seeds: int, noise: float) -> None:
    generator = np.random.default_rng([seeds, int(1000 * noise)])
    held = []
    for _ in range(400):
        found = paired_difference(answers(generator, seeds, 200, noise), answers(generator, seeds, 200, noise))
        held.append(found.low <= 0 <= found.high)
    # Of 400 with 95 %, the share has a deviation of 1.1 points.
    assert 0.92 <= np.mean(held) <= 0.985


def test_resamples_show_the_variance_that_intervals_have() -> None:
    generator = np.random.default_rng(2)
    for noise in (0.0, 0.03):
        scores = [answers(generator, 12, 300, noise) for _ in range(3)]
        for own, drawn in zip(scores, resampled_means(scores).T, strict=True):
            # Student's t of eleven degrees of freedom is wider than the normal by 11 / 9 at most.
            assert 0.85 <= drawn.var() / variance_of_mean(own)[0] <= 1.4
            assert drawn.mean() == pytest.approx(own.mean(), abs=0.002)


def test_resamples_of_a_row_do_not_depend_on_the_others() -> None:
    generator = np.random.default_rng(3)
    first, second, useless = (answers(generator, 3, 50, 0.01) for _ in range(3))
    pair, three = resampled_means([first, second]), resampled_means([first, useless * 0.1, second])
    np.testing.assert_allclose(three[:, [0, 2]], pair, atol=1e-12)
