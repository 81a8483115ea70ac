"""Scores of retrieval from similarities: of the one true partner, and of any clip of the query's class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tasks.metrics import Ranks, average_precision, class_recall, percent

CUTS = (1, 5, 10)


def similarities(queries: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Inner products, (N, D), (M, D) -> (N, M), where equal rows have equal products to the last bit.

    A matrix product may add up each tile in an order of its own; equal rows in different tiles would then be no tie.
    """
    rows, row = np.unique(queries, axis=0, return_inverse=True)
    columns, column = np.unique(candidates, axis=0, return_inverse=True)
    if len(rows) == len(queries) and len(columns) == len(candidates):
        product: np.ndarray = queries @ candidates.T
        return product
    product = rows @ columns.T
    return product[np.ix_(row.reshape(-1), column.reshape(-1))]


def instance_scores(ranks: Ranks) -> dict[str, float]:
    """recall@1, 5 and 10 and nDCG@10 in percent, and the median rank, of one direction."""
    scores = {f"recall_at_{k}": percent(ranks.within(k)) for k in CUTS}
    return {**scores, "median_rank": float(np.median(ranks.expected)), "ndcg_at_10": percent(ranks.discounted_gain(10))}


def class_scores(similarity: np.ndarray, labels: Sequence[int]) -> dict[str, float]:
    """The same questions of classes, (queries, candidates) -> percent: every clip of the query's class is right.

    `class_recall_at_k` is the share of queries with a right clip among the first k, `class_map` the mean average
    precision.
    """
    same = np.equal.outer(labels, labels)
    similarity = np.where(np.isnan(similarity), -np.inf, similarity)
    rows = list(zip(same, similarity, strict=True))
    scores = {f"class_recall_at_{k}": percent([class_recall(*row, k) for row in rows]) for k in CUTS}
    return {**scores, "class_map": percent([average_precision(*row) for row in rows])}
