"""Comparisons within a board, on scores that can be followed by hand."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.vocabulary import ItemScore
from results.record import Parameters
from results.table.build import build
from results.table.row import Row


def world(record, levels: dict[str, list[list[float]]]):
    """Runs by adapter with a list of item scores for each seed, and their items."""
    runs, items = [], {}
    for size, (adapter, seeds) in enumerate(levels.items()):
        for seed, scores in enumerate(seeds):
            run = record(
                adapter=adapter,
                seed=seed,
                scores={"accuracy": 100 * sum(scores) / len(scores)},
                parameters=Parameters(10**6, 1_000 * size, 2_000),
            )
            runs.append(run)
            kinds = ("sight", "sound")
            items[run.hash] = [ItemScore(f"clip{i}", score, kinds[i % 2]) for i, score in enumerate(scores)]
    return runs, items


def rows_of(record, levels) -> dict[str, Row]:
    runs, items = world(record, levels)
    return {row.adapter: row for row in build(runs, items.__getitem__)}


HALF = [0.0, 1.0] * 20
MORE = [0.0, 1.0] * 15 + [1.0, 1.0] * 5
MUCH = [1.0, 1.0] * 20


def test_who_cannot_be_told_apart_from_the_best(record) -> None:
    rows = rows_of(record, {"linear_probe": [HALF] * 3, "close": [[*MUCH[:-1], 0.0]] * 3, "best": [MUCH] * 3})
    assert rows["best"].comparison.tied_with_best
    assert (rows["best"].comparison.behind_best, rows["best"].comparison.behind_best_p_value) == (0.0, None)
    # One item of forty, in every seed alike: t = 1 with 39 degrees of freedom, p = 0.32, times 1 as the larger of two.
    assert rows["close"].comparison.tied_with_best
    assert rows["close"].comparison.behind_best == pytest.approx(2.5)
    assert rows["close"].comparison.behind_best_p_value == pytest.approx(0.3235, abs=1e-3)
    assert rows["linear_probe"].comparison.tied_with_best is False
    assert rows["linear_probe"].comparison.behind_best_p_value < 1e-6


def test_one_shared_seed_makes_nobody_worse(record) -> None:
    rows = rows_of(record, {"linear_probe": [HALF], "best": [MUCH] * 3})
    assert rows["linear_probe"].comparison.behind_best_p_value < 1e-6
    assert rows["linear_probe"].comparison.tied_with_best is None


def test_other_items_allow_no_comparison(record) -> None:
    rows = rows_of(record, {"linear_probe": [HALF[:-2]] * 2, "best": [MUCH] * 2})
    assert (rows["linear_probe"].comparison.behind_best_p_value, rows["linear_probe"].comparison.tied_with_best) == (
        None,
        None,
    )
    assert rows["best"].comparison.gain_over_linear_probe == 50.0
    assert (rows["best"].comparison.gain_interval, rows["best"].comparison.gain_p_value) == (None, None)


def test_gains_are_corrected_for_their_number(record) -> None:
    alone = rows_of(record, {"linear_probe": [HALF] * 2, "a": [MORE] * 2})["a"].comparison.gain_p_value
    among = rows_of(record, {"linear_probe": [HALF] * 2, "a": [MORE] * 2, "b": [MORE] * 2, "c": [MORE] * 2})
    assert 0 < alone < 0.05
    assert [among[name].comparison.gain_p_value for name in "abc"] == pytest.approx([3 * alone] * 3)


def test_the_breakdown_by_hand(record) -> None:
    row = rows_of(record, {"linear_probe": [HALF, MORE]})["linear_probe"]
    # Even items are `sight`: none of 20 right with seed 0, 5 of 20 with seed 1.
    assert row.breakdown == (("sight", 20, 12.5), ("sound", 20, 100.0))


def test_fronts_of_memory_and_within_intervals(record) -> None:
    small, large = Parameters(10**6, 0, 2_000), Parameters(10**6, 500, 2_000)
    runs = [
        record(peak_memory_mb=300.0, parameters=small),
        record(adapter="even", peak_memory_mb=200.0, parameters=large),
        record(adapter="unknown", peak_memory_mb=None, parameters=None),
    ]
    items = {run.hash: [ItemScore(str(i), float(i % 2)) for i in range(10)] for run in runs}
    rows = {row.adapter: row for row in build(runs, items.__getitem__)}
    assert (rows["even"].fronts.pareto, rows["even"].fronts.pareto_memory) == (False, True)
    assert rows["even"].fronts.pareto_within_interval
    assert rows["linear_probe"].fronts.pareto
    assert not rows["linear_probe"].fronts.pareto_memory
    assert (rows["unknown"].fronts.pareto, rows["unknown"].fronts.pareto_memory, rows["unknown"].fronts.ppt) == (
        None,
        None,
        None,
    )


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=6), st.data())
def test_a_dominated_row_changes_no_front(record, points, data) -> None:
    def run(name: str, size: int, level: int):
        scores, sizes = {"accuracy": 50.0 + level}, Parameters(10**6, 100 * size, 2_000)
        return record(adapter=name, scores=scores, parameters=sizes, peak_memory_mb=100.0 + size)

    runs = [run(f"a{index}", *point) for index, point in enumerate(points)]
    size, level = data.draw(st.sampled_from(points))
    before = {
        row.adapter: (row.fronts.pareto, row.fronts.pareto_memory, row.fronts.pareto_within_interval)
        for row in build(runs)
    }
    after = {
        row.adapter: (row.fronts.pareto, row.fronts.pareto_memory, row.fronts.pareto_within_interval)
        for row in build([*runs, run("worse", size + data.draw(st.integers(0, 2)), level - 1)])
    }
    assert after.pop("worse")[0] is False
    assert after == before


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False), st.integers(0, 8))
def test_a_failed_run_changes_no_number(record, order: random.Random, failures: int) -> None:
    runs, items = world(record, {"linear_probe": [HALF, MORE], "best": [MUCH, MORE]})
    failed = [
        record(
            adapter=order.choice(["linear_probe", "best"]),
            seed=2 + index,
            status="failed",
            train_seconds=9e9,
            peak_memory_mb=9e9,
            hash=f"f{index}",
        )
        for index in range(failures)
    ]
    everything = [*runs, *failed]
    plain = {row.adapter: row for row in build(runs, items.__getitem__)}
    for row in build(order.sample(everything, len(everything)), items.__getitem__):
        other = plain[row.adapter]
        assert row.score == other.score
        assert row.comparison == other.comparison
        assert row.cost == other.cost
