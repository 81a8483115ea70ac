from __future__ import annotations

import pytest

from registry.vocabulary import ItemScore
from results.statistics.paired import compare, paired_scores


def scores(record, rights: dict[int, int]):
    """Of one run a seed that gets the first so many of four items right; even items are `sight`."""
    runs = [record(seed=seed, hash=f"s{seed}_{right}") for seed, right in rights.items()]
    items = {
        run.hash: [ItemScore(f"q{i}", float(i < right), ("sight", "sound")[i % 2]) for i in range(4)]
        for run, right in zip(runs, rights.values(), strict=True)
    }
    return paired_scores(runs, items.__getitem__)


def test_only_shared_seeds_are_compared(record) -> None:
    test = compare(scores(record, {0: 4, 1: 4, 2: 0}), scores(record, {1: 2, 2: 0, 3: 1}))
    assert (test.seeds, test.items, test.difference.mean) == (2, 4, 25.0)
    assert compare(scores(record, {0: 4}), scores(record, {1: 4})) is None
    assert compare(scores(record, {0: 4}), None) is None


def test_the_breakdown_by_kind(record) -> None:
    found = scores(record, {0: 1, 1: 3})
    assert found.breakdown() == (("sight", 2, 75.0), ("sound", 2, pytest.approx(25.0)))
    assert found.of_kind("sound").scores.tolist() == [[0.0, 0.0], [1.0, 0.0]]


def test_runs_on_other_items_have_no_common_scores(record) -> None:
    runs = [record(), record(seed=1)]
    items = {runs[0].hash: [ItemScore("a", 1.0)], runs[1].hash: [ItemScore("b", 1.0)]}
    assert paired_scores(runs, items.__getitem__) is None
