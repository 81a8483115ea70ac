from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from results.leaderboard import build, write
from results.record import Failure, ItemResult, Parameters
from results.render.csv import COLUMNS, to_csv
from results.store.store import Store


def scored(record, score: float, **changes):
    return record(scores={"accuracy": score}, **changes)


def test_mean_std_and_gain_by_hand(record) -> None:
    records = [scored(record, score, seed=seed) for seed, score in enumerate((50.0, 53.0, 56.0))]
    records += [scored(record, score, seed=seed, adapter="lavish") for seed, score in enumerate((60.0, 62.0))]
    best, probe = build(records)
    assert (probe.adapter, probe.mean, probe.std, probe.seeds) == ("linear_probe", 53.0, pytest.approx(3.0), 3)
    assert (best.adapter, best.mean, best.std, best.seeds) == ("lavish", 61.0, pytest.approx(2**0.5), 2)
    assert best.gain_over_linear_probe == 8.0
    assert probe.gain_over_linear_probe is None


def test_a_single_seed_has_no_std(record) -> None:
    (row,) = build([record()])
    assert row.std is None
    assert row.interval is None


@pytest.mark.parametrize(
    "change",
    [
        {"data": "synthetic@2"},
        {"recipe": {"epochs": 3}},
        {"protocol": "paper"},
        {"labels": []},
        {"weights": {"model.safetensors": "aa"}},
        {"versions": {"adapter": "2"}},
        {"backbone": "tiny_vit(depth=2)"},
    ],
)
def test_runs_that_differ_are_never_averaged(record, change) -> None:
    rows = build([scored(record, 50.0), scored(record, 60.0, seed=1, hash="other", **change)])
    assert sorted((row.mean, row.seeds) for row in rows) == [(50.0, 1), (60.0, 1)]


@pytest.mark.parametrize("change", [{"data": "synthetic@2"}, {"backbone": "tiny_swin"}, {"task": "retrieval"}])
def test_the_gain_is_over_the_linear_probe_of_the_same_circumstances(record, change) -> None:
    rows = build([scored(record, 50.0), scored(record, 60.0, adapter="lavish", **change)])
    assert all(row.gain_over_linear_probe is None for row in rows)


def test_of_several_linear_probes_the_one_of_the_same_recipe_counts_else_the_best(record) -> None:
    probes = [
        scored(record, 40.0, recipe={"epochs": 1}, hash="a"),
        scored(record, 50.0, recipe={"epochs": 2}, hash="b"),
    ]
    gains = {
        epochs: build([*probes, scored(record, 60.0, adapter="lavish", recipe={"epochs": epochs})])[0]
        for epochs in (1, 3)
    }
    assert {epochs: row.gain_over_linear_probe for epochs, row in gains.items()} == {1: 20.0, 3: 10.0}


def test_a_failed_run_never_enters_a_mean_and_stays_visible(record) -> None:
    failed = replace(record(seed=2, status="failed"), scores={"accuracy": 0.0}, train_seconds=9e9)
    (row,) = build([scored(record, 50.0), scored(record, 60.0, seed=1), failed])
    assert (row.mean, row.seeds, row.train_seconds) == (55.0, 2, 20.0)
    assert row.status == "partial: 1 of 3 failed (error)"
    assert row.failures == ("seed 2: error: it broke",)


def test_a_run_that_failed_early_joins_the_row_it_agrees_with(record) -> None:
    early = record(seed=1, status="failed", data=None, labels=[], primary_metric="", parameters=None)
    (row,) = build([record(), early])
    assert row.status == "partial: 1 of 2 failed (error)"
    rows = build([record(), record(data="synthetic@2", hash="other"), early])
    assert [row.status for row in rows] == ["completed", "completed", "failed: error"]


def test_a_cell_that_only_failed_has_a_row_without_numbers(record) -> None:
    failure = Failure("out_of_memory", "needs 9 GB")
    good, bad = build([record(), record(adapter="lavish", status="failed", failure=failure, parameters=None)])
    assert (bad.mean, bad.seeds, bad.pareto, bad.status) == (None, 0, None, "failed: out_of_memory")
    assert (good.mean, good.pareto) == (50.0, True)


def test_a_seed_counts_once(record) -> None:
    early = scored(record, 50.0, hash="a", finished="2026-01-01T00:00:00")
    late = scored(record, 60.0, hash="b", finished="2026-01-02T00:00:00")
    failed = record(status="failed", hash="c", finished="2026-01-03T00:00:00")
    (row,) = build([late, early, failed, late])
    assert (row.mean, row.seeds, row.status) == (60.0, 1, "completed")


def test_rows_are_ranked_within_their_task(record) -> None:
    records = [
        scored(record, 10.0, task="retrieval"),
        scored(record, 50.0),
        scored(record, 60.0, adapter="lavish"),
        record(task="avqa", adapter="broken", status="failed"),
    ]
    assert [(row.task, row.mean) for row in build(records)] == [
        ("avqa", 60.0),
        ("avqa", 50.0),
        ("avqa", None),
        ("retrieval", 10.0),
    ]


def test_each_board_has_a_front_of_its_own(record) -> None:
    large = Parameters(1_000_000, 50_000, 2_000)
    rows = build(
        [
            scored(record, 50.0),
            scored(record, 45.0, adapter="dominated", parameters=large),
            scored(record, 45.0, adapter="dominated", parameters=large, protocol="paper", hash="p"),
            scored(record, 60.0, adapter="better", parameters=large),
        ]
    )
    assert {(row.adapter, row.protocol): row.pareto for row in rows} == {
        ("linear_probe", "validation"): True,
        ("dominated", "validation"): False,
        ("dominated", "paper"): True,
        ("better", "validation"): True,
    }


def test_intervals_come_from_the_items(record) -> None:
    runs = [record(), record(adapter="lavish")]
    answers = {runs[0].hash: [0.0, 1.0] * 50, runs[1].hash: [0.5, 1.0] * 50}
    items = {key: [ItemResult(str(i), score) for i, score in enumerate(scores)] for key, scores in answers.items()}
    better, probe = build(runs, items.__getitem__)
    assert probe.interval == pytest.approx(100 * 1.96 * 0.5 / 10, rel=0.1)
    assert better.gain_interval == pytest.approx(100 * 1.96 * 0.25 / 10, rel=0.1)
    assert probe.gain_interval is None


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_records_does_not_matter(record, order: random.Random) -> None:
    records = [
        scored(record, 50.0 + 0.1 * seed + len(adapter), seed=seed, adapter=adapter, backbone=backbone)
        for seed in range(3)
        for adapter in ("linear_probe", "lavish", "stg_cma")
        for backbone in ("tiny_vit", "tiny_swin")
    ]
    records += [record(seed=4, status="failed", data=None), record(task="retrieval", status="failed")]
    items = {run.hash: [ItemResult(str(i), (i * run.seed % 3) / 2) for i in range(9)] for run in records}

    def table(runs):
        return to_csv(build(runs, items.__getitem__)).encode()

    assert table(order.sample(records, len(records))) == table(records)


def test_the_files_are_written_and_name_what_could_not_be_read(tmp_path, grid) -> None:
    records, items = grid
    store = Store(tmp_path)
    for run in records:
        store.write(run, items[run.hash])
    (tmp_path / "records" / "torn.json").write_text("{")
    (tmp_path / "items" / f"{records[0].hash}.json.gz").write_bytes(b"torn")
    board = write(tmp_path, store, "python -m benchmark leaderboard")
    tables = [f"leaderboard.{kind}" for kind in ("csv", "md", "tex", "html")]
    assert [file.name for file in board.files] == [*tables, "tradeoff.png", "tradeoff.svg"]
    assert all(file.stat().st_size > 1000 for file in board.files)
    assert (tmp_path / "leaderboard.csv").read_text() == to_csv([*board.rows, *board.published])
    assert len(board.rows) == 36
    assert len(board.unreadable) == 2
    page = (tmp_path / "leaderboard.md").read_text()
    assert "torn.json" in page
    assert f"{records[0].hash}.json.gz" in page


def test_every_column_is_documented_in_order() -> None:
    page = (Path(__file__).parents[2] / "docs" / "leaderboard.md").read_text()
    section = page.split("## Columns of")[1].split("## ")[0]
    documented = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]
    assert documented == list(COLUMNS)


def test_building_rows_needs_no_heavy_library() -> None:
    heavy = "{'torch', 'mmengine', 'matplotlib', 'rich'}"
    script = f"import results.leaderboard, sys; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=False).returncode == 0
