"""Scores against hand-counted examples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import top_k_accuracy_score

from tasks.metrics import percent, recall_at, tie_aware_ranks


def test_ranks_by_hand():
    scores = np.array([[0.9, 0.1, 0.2], [0.5, 0.4, 0.3], [0.1, 0.1, 0.1]])
    assert tie_aware_ranks(scores).tolist() == [1.0, 2.0, 2.0]


@given(st.integers(2, 50))
def test_constant_scores_rank_in_the_middle(n):
    ranks = tie_aware_ranks(np.ones((n, n)))
    assert np.all(ranks == (n + 1) / 2)
    assert recall_at(ranks, 1) == (0.0 if n > 1 else 100.0)


@given(st.integers(0, 1000), st.integers(1, 5))
def test_recall_agrees_with_scikit_learn(seed, k):
    scores = np.random.default_rng(seed).normal(size=(8, 8))
    expected = 100 * top_k_accuracy_score(np.arange(8), scores, k=k)
    assert recall_at(tie_aware_ranks(scores), k) == pytest.approx(expected)


def test_percent():
    assert percent([1, 0, 0, 1]) == 50.0
