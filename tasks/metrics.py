"""Scores as pure functions: which definition each implements stands in its docstring.

Ties are broken at random, and scores are the expectation over that: constant scores are worth what chance is worth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


def percent(values: np.ndarray | list[float]) -> float:
    """Mean of values in 0..1, in percent."""
    return 100.0 * float(np.mean(values))


def levels(labels: np.ndarray, classes: int) -> dict[str, float]:
    """Accuracies without learning, in percent: guessing among all classes, and always giving the most frequent label.

    Args:
        labels: (N,) numbers of classes, of the split that is scored.
    """
    return {"chance": 100.0 / classes, "majority": 100.0 * float(np.bincount(labels).max()) / len(labels)}


@dataclass(frozen=True)
class Ranks:
    """Where the true candidate of each query stands, from 1: between `first` and `last`, as ties break. (N,) each."""

    first: np.ndarray
    last: np.ndarray

    @property
    def expected(self) -> np.ndarray:
        """The mean rank over all ways to break ties: (N,)"""
        return (self.first + self.last) / 2

    def within(self, k: int) -> np.ndarray:
        """The chance that the true candidate is among the first k, recall@k of one query: -> (N,) in 0..1."""
        return np.clip((k + 1 - self.first) / (self.last + 1 - self.first), 0.0, 1.0)

    def discounted_gain(self, k: int) -> np.ndarray:
        """nDCG@k with one relevant candidate, 1 / log2(1 + rank) up to rank k: -> (N,) in 0..1."""
        gains = np.zeros(int(self.last.max()) + 1)
        places = np.arange(1, min(k, len(gains) - 1) + 1)
        gains[places] = 1 / np.log2(1 + places)
        summed = np.cumsum(gains)
        return (summed[self.last] - summed[self.first - 1]) / (self.last + 1 - self.first)


def ranks(scores: np.ndarray) -> Ranks:
    """Ranks of the true candidates: (N, N) -> Ranks.

    Row i holds the scores of query i against all candidates, of which number i is the true one. Scores that are not
    numbers count as lowest.
    """
    scores = np.where(np.isnan(scores), -np.inf, scores)
    truth = np.diagonal(scores)[:, None]
    first = 1 + (scores > truth).sum(1)
    return Ranks(first, first + (scores == truth).sum(1) - 1)


def class_recall(relevant: np.ndarray, scores: np.ndarray, k: int) -> float:
    """The chance that any relevant candidate is among the first k of one query: (N,) bool, (N,) -> 0..1."""
    boundary = np.partition(scores, -k)[-k] if k < len(scores) else scores.min()
    if relevant[scores > boundary].any():
        return 1.0
    tied, drawn = scores == boundary, min(k, len(scores)) - int((scores > boundary).sum())
    others = int((tied & ~relevant).sum())
    return 1 - math.comb(others, drawn) / math.comb(int(tied.sum()), drawn)


def average_precision(relevant: np.ndarray, scores: np.ndarray) -> float:
    """Area under the precision-recall steps, sum of (recall gained) x precision: (N,) bool, (N,) -> 0..1.

    Tied candidates are taken together, as in scikit-learn. At least one candidate is relevant.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    hits = np.cumsum(relevant[order])[ends]
    return float((np.diff(hits, prepend=0) * hits / (ends + 1)).sum() / hits[-1])
