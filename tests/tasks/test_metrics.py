"""Scores against hand-counted examples, against scikit-learn, and against what chance is worth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score, top_k_accuracy_score

from tasks.metrics import average_precision, class_recall, levels, percent, ranks


def test_ranks_by_hand():
    """Of the last query all three candidates tie: its rank is 1, 2 or 3."""
    found = ranks(np.array([[0.9, 0.1, 0.2], [0.5, 0.4, 0.3], [0.1, 0.1, 0.1]]))
    assert (found.first.tolist(), found.last.tolist()) == ([1, 2, 1], [1, 2, 3])
    assert found.expected.tolist() == [1.0, 2.0, 2.0]
    assert found.within(1).tolist() == pytest.approx([1, 0, 1 / 3])
    assert found.within(2).tolist() == pytest.approx([1, 1, 2 / 3])
    gains = [1, 1 / np.log2(3), (1 + 1 / np.log2(3)) / 3]
    assert found.discounted_gain(2).tolist() == pytest.approx(gains)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 50), st.integers(1, 60))
def test_constant_scores_are_worth_chance(n, k):
    found = ranks(np.ones((n, n)))
    assert found.expected == pytest.approx(np.full(n, (n + 1) / 2))
    assert found.within(k) == pytest.approx(np.full(n, min(k / n, 1)))


def test_scores_that_are_not_numbers_never_win():
    scores = np.eye(4)
    scores[0] = np.nan
    scores[1, 1] = np.nan
    assert ranks(scores).within(1).tolist() == [0.25, 0, 1, 1]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 5))
def test_recall_agrees_with_scikit_learn(seed, k):
    scores = np.random.default_rng(seed).normal(size=(8, 8))
    assert ranks(scores).within(k).mean() == pytest.approx(top_k_accuracy_score(np.arange(8), scores, k=k))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 12), st.integers(1, 5))
def test_discounted_gain_agrees_with_scikit_learn_ties_included(seed, k, levels):
    scores = np.random.default_rng(seed).integers(0, levels, size=(9, 9)).astype(float)
    assert ranks(scores).discounted_gain(k).mean() == pytest.approx(ndcg_score(np.eye(9), scores, k=k))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 6))
def test_average_precision_agrees_with_scikit_learn_ties_included(seed, levels):
    rng = np.random.default_rng(seed)
    relevant, scores = rng.random(12) < 0.4, rng.integers(0, levels, 12).astype(float)
    relevant[rng.integers(12)] = True
    assert average_precision(relevant, scores) == pytest.approx(average_precision_score(relevant, scores))


def test_average_precision_by_hand():
    """Relevant at ranks 1 and 3: (1/1 + 2/3) / 2; all tied: their share."""
    relevant = np.array([True, False, True, False])
    assert average_precision(relevant, np.array([4.0, 3, 2, 1])) == pytest.approx(5 / 6)
    assert average_precision(relevant, np.ones(4)) == pytest.approx(0.5)


def test_class_recall_by_hand():
    """With two relevant ones of five and all tied, two draws miss both in 3 of 10 cases."""
    relevant = np.array([False, True, False, False, True])
    assert class_recall(relevant, np.array([5.0, 4, 3, 2, 1]), 1) == 0.0
    assert class_recall(relevant, np.array([5.0, 4, 3, 2, 1]), 2) == 1.0
    assert class_recall(relevant, np.ones(5), 2) == pytest.approx(0.7)
    assert class_recall(relevant, np.ones(5), 9) == 1.0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 300), st.integers(1, 8), st.integers(1, 3))
def test_class_recall_is_the_mean_over_random_tie_breaks(seed, k, levels):
    """Against counting over many shuffles that break the ties."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, 6).astype(float)
    relevant = np.arange(6) < 2
    broken = scores + rng.random((2000, 6)) / 2
    first = np.argsort(-broken, axis=1)[:, :k]
    assert class_recall(relevant, scores, k) == pytest.approx(relevant[first].any(1).mean(), abs=0.06)


def test_percent():
    assert percent([1, 0, 0, 1]) == 50.0


def test_levels_without_learning_by_hand() -> None:
    assert levels(np.array([0, 0, 0, 2]), classes=5) == {"chance": 20.0, "majority": 75.0}
