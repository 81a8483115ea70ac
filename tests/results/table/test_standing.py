from __future__ import annotations

import numpy as np
import pytest

from registry.vocabulary import ItemScore
from results.statistics.significance import ALPHA
from results.table.build import build


def study(
    record, levels: dict[str, float], seeds=(0, 1, 2), items: int = 200, lucky: tuple[str, int] | None = None, **more
):
    generator = np.random.default_rng(5)
    runs, scored = [], {}
    for adapter, level in levels.items():
        for seed in seeds:
            own = 0.97 if lucky == (adapter, seed) else level
            hits = (generator.random(items) < own).astype(float)
            run = record(adapter=adapter, seed=seed, scores={"accuracy": 100 * float(hits.mean())}, **more)
            runs.append(run)
            scored[run.hash] = [ItemScore(f"clip{i:03d}", float(hit)) for i, hit in enumerate(hits)]
    return runs, scored


def by_adapter(runs, scored):
    return {row.adapter: row for row in build(runs, scored.__getitem__)}


def test_rows_far_apart_share_no_letter_and_have_one_rank(record) -> None:
    rows = by_adapter(*study(record, {"linear_probe": 0.4, "lavish": 0.6, "stg_cma": 0.9}))
    standing = [
        (row.comparison.letters, row.comparison.rank_low, row.comparison.rank_high)
        for row in (rows["stg_cma"], rows["lavish"], rows["linear_probe"])
    ]
    assert standing == [("a", 1, 1), ("b", 2, 2), ("c", 3, 3)]


def test_a_lucky_seed_leads_the_table_and_is_told_apart_from_nobody(record) -> None:
    levels = {"linear_probe": 0.6, "lavish": 0.6, "stg_cma": 0.6}
    rows = by_adapter(*study(record, levels, lucky=("stg_cma", 1)))
    best = max(rows.values(), key=lambda row: row.score.mean)
    assert best.adapter == "stg_cma"
    assert all(set(row.comparison.letters) & set(best.comparison.letters) for row in rows.values())
    assert best.comparison.rank_high > 1


def test_one_seed_says_nothing_of_ranks(record) -> None:
    rows = by_adapter(*study(record, {"linear_probe": 0.4, "lavish": 0.9}, seeds=(0,)))
    assert {(row.comparison.letters, row.comparison.rank_low) for row in rows.values()} == {("", None)}


def test_over_tasks_configurations_have_letters_and_an_interval_of_their_mean_rank(record) -> None:
    runs, scored = [], {}
    for task in ("avqa", "retrieval"):
        own, items = study(record, {"linear_probe": 0.4, "lavish": 0.8}, task=task)
        runs += own
        scored |= items
    rows = build(runs, scored.__getitem__)
    found = {
        row.adapter: (row.comparison.mean_rank_letters, row.comparison.mean_rank_low, row.comparison.mean_rank_high)
        for row in rows
    }
    assert found == {"lavish": ("a", 1.0, 1.0), "linear_probe": ("b", 2.0, 2.0)}


@pytest.mark.parametrize("number", range(12))
def test_a_useless_row_changes_no_verdict_between_others(record, number: int) -> None:
    generator = np.random.default_rng(number)
    count, seeds = int(generator.integers(2, 7)), tuple(range(int(generator.integers(2, 6))))
    levels = {f"family_{place}": float(level) for place, level in enumerate(generator.uniform(0.5, 0.75, count))}
    runs, scored = study(record, {"linear_probe": 0.6, **levels}, seeds=seeds)
    worse, theirs = study(record, {"useless": 0.01}, seeds=seeds)
    before, after = by_adapter(runs, scored), by_adapter([*runs, *worse], {**scored, **theirs})
    assert after["useless"].comparison.rank_low == len(after)
    names = sorted(before)
    for one in names:
        ours, with_it = before[one].comparison, after[one].comparison
        assert (ours.tied_with_best, ours.rank_low, ours.rank_high) == (
            with_it.tied_with_best,
            with_it.rank_low,
            with_it.rank_high,
        )
        assert _believed(ours.gain_p_value) == _believed(with_it.gain_p_value)
        for other in names:
            shared = [bool({*b[one].comparison.letters} & {*b[other].comparison.letters}) for b in (before, after)]
            assert shared[0] == shared[1]


def _believed(p_value: float | None) -> bool:
    return p_value is not None and p_value < ALPHA
