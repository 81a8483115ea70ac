from __future__ import annotations

import pytest

from results.record import Parameters
from results.table.aggregate import mean_ranks, volumes
from results.table.build import build


def scored(record, task: str, adapter: str, score: float, **changes):
    return record(task=task, adapter=adapter, scores={"accuracy": score}, **changes)


def test_mean_ranks_by_hand(record) -> None:
    """avqa: b 70, a 60, c 60 (ranks 1, 2.5, 2.5); retrieval: a 9, b 8, c 7 (1, 2, 3)."""
    scores = {"avqa": {"a": 60, "b": 70, "c": 60}, "retrieval": {"a": 9, "b": 8, "c": 7}}
    runs = [scored(record, task, adapter, s) for task, own in scores.items() for adapter, s in own.items()]
    rows = build(runs)
    assert [(one.adapter, one.mean) for one in mean_ranks(rows)] == [("b", 1.5), ("a", 1.75), ("c", 2.75)]
    assert {(row.task, row.adapter): row.comparison.mean_rank for row in rows}["retrieval", "a"] == 1.75


def test_who_misses_a_task_is_left_out_rather_than_ranked_higher(record) -> None:
    runs = [scored(record, task, adapter, 50) for task in ("avqa", "retrieval") for adapter in ("a", "b")]
    runs.append(scored(record, "avqa", "only_here", 90))
    ranks = mean_ranks(build(runs))
    assert [(one.adapter, one.mean) for one in ranks] == [("a", 1.5), ("b", 1.5)]
    assert {row.adapter: row.comparison.mean_rank for row in build(runs) if row.task == "avqa"}["only_here"] is None


def test_one_task_has_no_mean_rank(record) -> None:
    assert mean_ranks(build([record(), record(adapter="a")])) == []


def test_the_hypervolume_of_a_sweep(record) -> None:
    """As in test_tradeoff: the backbone has 10^6 parameters, the head cancels out."""
    runs = [
        scored(record, "avqa", "linear_probe", 50, parameters=Parameters(10**6, 0, 7_000)),
        scored(record, "avqa", "lavish(size=1)", 75, parameters=Parameters(10**6, 10**4, 7_000)),
        scored(record, "avqa", "lavish(size=2)", 100, parameters=Parameters(10**6, 10**5, 7_000)),
        scored(record, "retrieval", "lavish(size=1)", 75),
    ]
    rows = build(runs)
    assert [(one.family, one.sizes, one.value) for one in volumes(rows)] == [
        ("lavish", 2, pytest.approx(0.75)),
        ("linear_probe", 1, 0.0),
    ]
    found = {(row.task, row.adapter): row.fronts.hypervolume for row in rows}
    assert found["avqa", "lavish(size=1)"] == found["avqa", "lavish(size=2)"] == pytest.approx(0.75)
    assert found["retrieval", "lavish(size=1)"] is None
