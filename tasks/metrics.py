"""Scores as pure functions: which definition each implements stands in its docstring."""

from __future__ import annotations

import numpy as np


def percent(values: np.ndarray | list[float]) -> float:
    """Mean of values in 0..1, in percent."""
    return 100.0 * float(np.mean(values))


def tie_aware_ranks(scores: np.ndarray) -> np.ndarray:
    """Rank of the true candidate of each query, from 1: (N, N) -> (N,) float64.

    Row i holds the scores of query i against all candidates, of which number i is the true one. Candidates that tie
    with it count half, so that constant scores rank in the middle, as chance does.
    """
    truth = np.diagonal(scores)[:, None]
    above = (scores > truth).sum(1)
    ties = (scores == truth).sum(1) - 1
    return 1.0 + above + ties / 2.0


def recall_at(ranks: np.ndarray, k: int) -> float:
    """Percent of queries whose true candidate is among the first k."""
    return percent(ranks <= k)
