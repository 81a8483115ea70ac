from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import t as student

from results.statistics.significance import combined_p_value, holm, p_value, seeds_to_separate


def test_holm_by_hand() -> None:
    """0.01 · 4, 0.02 · 3, then 0.03 · 2 = 0.06 as well, and 0.2 · 1; the second raises nothing behind it."""
    assert holm([0.02, 0.2, 0.01, 0.03]) == pytest.approx([0.06, 0.2, 0.04, 0.06])
    assert holm([0.04, 0.03]) == pytest.approx([0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_corrects_upwards_and_keeps_the_order(ps: list[float]) -> None:
    corrected = holm(ps)
    assert all(p <= c <= 1 for p, c in zip(ps, corrected, strict=True))
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    assert [corrected[i] for i in order] == sorted(corrected)


def test_one_seed_is_the_paired_t_test() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.random(40), generator.random(40) + 0.1
    assert p_value((first - second)[None]) == pytest.approx(stats.ttest_rel(first, second).pvalue)


def test_two_seeds_and_two_items_by_hand() -> None:
    """Differences 4 2 / 2 1 (in units): mean 2.25, seed means 3 and 1.5, item means 3 and 1.5.

    M_s = 2 · 1.125 = 2.25, M_i = 2.25, rests +-0.25, so M_r = 4 · 0.0625 / 1 = 0.25; sum 2.25 + 2.25 - 0.25 = 4.25,
    var = 4.25 / 4 = 1.0625, t = 2.25 / sqrt(1.0625) = 2.1828, freedom 4.25² / (2.25² + 2.25² + 0.25²) = 1.7730.
    """
    assert p_value(np.array([[4.0, 2.0], [2.0, 1.0]])) == pytest.approx(2 * stats.t.sf(2.182821, 1.773006), rel=1e-5)


def test_seeds_that_disagree_leave_doubt_that_items_alone_would_not() -> None:
    generator = np.random.default_rng(1)
    agreeing = 0.05 + generator.normal(0, 0.1, (3, 500))
    disagreeing = agreeing + np.array([[-0.08], [0.0], [0.08]])
    assert p_value(agreeing) < 1e-6
    assert p_value(disagreeing) > 0.1
    assert p_value(disagreeing.mean(axis=0, keepdims=True)) < 1e-6


def test_equal_differences_leave_none() -> None:
    assert p_value(np.zeros((3, 10))) == 1.0
    assert p_value(np.full((3, 10), 0.1)) == 0.0
    assert p_value(np.full((1, 1), 0.1)) == 0.0


@pytest.mark.parametrize(("seeds", "most"), [(2, 0.14), (3, 0.09), (5, 0.08)])
def test_a_true_zero_is_seldom_called_a_difference(seeds: int, most: float) -> None:
    """The share below 0.05 among cases without a difference; with two seeds the rule is known to be optimistic."""
    generator = np.random.default_rng(seeds)
    for seed_noise, item_noise, rest in ((0.0, 0.3, 0.3), (0.02, 0.3, 0.3), (0.05, 0.1, 0.4)):
        cases = (
            generator.normal(0, seed_noise, (seeds, 1))
            + generator.normal(0, item_noise, (1, 200))
            + generator.normal(0, rest, (seeds, 200))
            for _ in range(600)
        )
        assert 0.01 < np.mean([p_value(case) < 0.05 for case in cases]) < most


def test_seeds_that_separate_two_rows() -> None:
    generator = np.random.default_rng(1)
    noise = generator.normal(0, 0.05, (4, 1)) + generator.normal(0, 0.02, (4, 400))
    noise -= noise.mean()
    few, many = seeds_to_separate(noise + 0.1), seeds_to_separate(noise + 0.02)
    assert 2 <= few < many
    # Items that disagree are not mended by seeds.
    items = np.repeat(generator.normal(0, 1, (1, 50)), 4, axis=0) + generator.normal(0, 0.01, (4, 50))
    assert seeds_to_separate(items - items.mean() + 0.05) == math.inf
    assert seeds_to_separate(noise[:1]) is None


def test_over_one_board_the_combined_p_value_is_that_of_the_board() -> None:
    difference = np.random.default_rng(2).normal(0.1, 0.5, (3, 40))
    assert combined_p_value([difference]) == pytest.approx(p_value(difference))
    # Two boards that say the same are better evidence than one.
    assert combined_p_value([difference, difference + 0.0]) < p_value(difference)
    assert combined_p_value([np.zeros((2, 3))]) == 1.0


def test_variance_components_are_those_of_statsmodels() -> None:
    formula = pytest.importorskip("statsmodels.formula.api")
    anova = pytest.importorskip("statsmodels.stats.anova")
    pandas = pytest.importorskip("pandas")
    difference = np.random.default_rng(3).normal(0, 1, (4, 30)) + np.arange(4)[:, None]
    seeds, items = np.indices(difference.shape)
    table = pandas.DataFrame({"y": difference.ravel(), "seed": seeds.ravel(), "item": items.ravel()})
    found = anova.anova_lm(formula.ols("y ~ C(seed) + C(item)", table).fit())
    of_seeds, of_items, rest = (float(value) for value in found["mean_sq"])
    terms = [(of_seeds, 3)] * (of_seeds > rest) + [(of_items, 29)] * (of_items > rest)
    terms.append(((1 - len(terms)) * rest, 87))
    variance = sum(size for size, _ in terms) / difference.size
    freedom = (variance * difference.size) ** 2 / sum(size**2 / degrees for size, degrees in terms)
    expected = 2 * student.sf(abs(difference.mean()) / variance**0.5, freedom)
    assert p_value(difference) == pytest.approx(float(expected))
