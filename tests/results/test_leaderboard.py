from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.vocabulary import ItemScore
from results import leaderboard, outputs
from results.leaderboard import KEPT, refresh, write
from results.outputs import make
from results.record import Failure, Parameters
from results.render.csv import to_csv
from results.store.store import Store
from results.table.build import build
from results.table.gather import gather


def scored(record, score: float, **changes):
    return record(scores={"accuracy": score}, **changes)


def test_mean_std_and_gain_by_hand(record) -> None:
    records = [scored(record, score, seed=seed) for seed, score in enumerate((50.0, 53.0, 56.0))]
    records += [scored(record, score, seed=seed, adapter="lavish") for seed, score in enumerate((60.0, 62.0))]
    best, probe = build(records)
    assert (probe.adapter, probe.score.mean, probe.score.std, probe.score.seeds) == (
        "linear_probe",
        53.0,
        pytest.approx(3.0),
        3,
    )
    assert (best.adapter, best.score.mean, best.score.std, best.score.seeds) == (
        "lavish",
        61.0,
        pytest.approx(2**0.5),
        2,
    )
    assert best.comparison.gain_over_linear_probe == 8.0
    assert probe.comparison.gain_over_linear_probe is None


def test_a_single_seed_has_no_std(record) -> None:
    (row,) = build([record()])
    assert row.score.std is None
    assert row.score.interval is None


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
    assert sorted((row.score.mean, row.score.seeds) for row in rows) == [(50.0, 1), (60.0, 1)]


@pytest.mark.parametrize("change", [{"data": "synthetic@2"}, {"backbone": "tiny_swin"}, {"task": "retrieval"}])
def test_the_gain_is_over_the_linear_probe_of_the_same_circumstances(record, change) -> None:
    rows = build([scored(record, 50.0), scored(record, 60.0, adapter="lavish", **change)])
    assert all(row.comparison.gain_over_linear_probe is None for row in rows)


def test_of_several_linear_probes_the_best_counts_and_is_named(record) -> None:
    probes = [
        scored(record, 40.0, recipe={"epochs": 1}, hash="a"),
        scored(record, 50.0, recipe={"epochs": 2}, hash="b"),
    ]
    gains = {
        epochs: build([*probes, scored(record, 60.0, adapter="lavish", recipe={"epochs": epochs})])[0]
        for epochs in (1, 3)
    }
    assert {epochs: row.comparison.gain_over_linear_probe for epochs, row in gains.items()} == {1: 10.0, 3: 10.0}
    (best,) = [row for row in build(probes) if row.score.mean == 50.0]
    assert gains[1].comparison.probe == f"linear_probe, recipe {best.recipe}: 50.00"


def test_a_failed_run_never_enters_a_mean_and_stays_visible(record) -> None:
    failed = replace(record(seed=2, status="failed"), scores={"accuracy": 0.0}, train_seconds=9e9)
    (row,) = build([scored(record, 50.0), scored(record, 60.0, seed=1), failed])
    assert (row.score.mean, row.score.seeds, row.cost.train_seconds) == (55.0, 2, 20.0)
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
    assert (bad.score.mean, bad.score.seeds, bad.fronts.pareto, bad.status) == (None, 0, None, "failed: out_of_memory")
    assert (good.score.mean, good.fronts.pareto) == (50.0, True)


def test_a_seed_counts_once(record) -> None:
    early = scored(record, 50.0, hash="a", finished="2026-01-01T00:00:00")
    late = scored(record, 60.0, hash="b", finished="2026-01-02T00:00:00")
    failed = record(status="failed", hash="c", finished="2026-01-03T00:00:00")
    (row,) = build([late, early, failed, late])
    assert (row.score.mean, row.score.seeds, row.status) == (60.0, 1, "completed")


def test_rows_are_ranked_within_their_task(record) -> None:
    records = [
        scored(record, 10.0, task="retrieval"),
        scored(record, 50.0),
        scored(record, 60.0, adapter="lavish"),
        record(task="avqa", adapter="broken", status="failed"),
    ]
    assert [(row.task, row.score.mean) for row in build(records)] == [
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
    assert {(row.adapter, row.protocol): row.fronts.pareto for row in rows} == {
        ("linear_probe", "validation"): True,
        ("dominated", "validation"): False,
        ("dominated", "paper"): True,
        ("better", "validation"): True,
    }


def test_intervals_come_from_the_items(record) -> None:
    runs = [record(), record(adapter="lavish")]
    answers = {runs[0].hash: [0.0, 1.0] * 50, runs[1].hash: [0.5, 1.0] * 50}
    items = {key: [ItemScore(str(i), score) for i, score in enumerate(scores)] for key, scores in answers.items()}
    better, probe = build(runs, items.__getitem__)
    assert probe.score.interval == pytest.approx(100 * 1.96 * 0.5 / 10, rel=0.1)
    assert better.comparison.gain_interval == pytest.approx(100 * 1.96 * 0.25 / 10, rel=0.1)
    assert probe.comparison.gain_interval is None


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
    items = {run.hash: [ItemScore(str(i), (i * run.seed % 3) / 2) for i in range(9)] for run in records}

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
    summary = write(tmp_path, store, "python -m benchmark leaderboard")
    board = gather(store)
    tables = [f"leaderboard.{kind}" for kind in ("csv", "md", "tex", "html")]
    assert list(summary.files) == [*tables, "tradeoff.png", "tradeoff.svg"]
    assert all((tmp_path / name).stat().st_size > 1000 for name in summary.files)
    assert (tmp_path / "leaderboard.csv").read_text() == to_csv([*board.rows, *board.published])
    assert (summary.rows, len(summary.unreadable)) == (36, 2)
    page = (tmp_path / "leaderboard.md").read_text()
    assert "torn.json" in page
    assert f"{records[0].hash}.json.gz" in page


def _written(path: Path, words: str) -> Path:
    path.write_text(words)
    return path


@pytest.fixture
def made(tmp_path, record, monkeypatch):
    """A store with its leaderboard, and how often the files were made since. What takes seconds to draw is words."""
    drawn = [tmp_path / "tradeoff.png", tmp_path / "tradeoff.svg"]
    monkeypatch.setattr(outputs, "draw_tradeoff", lambda rows, output: [_written(path, repr(rows)) for path in drawn])
    monkeypatch.setitem(outputs.RENDERERS, "leaderboard.html", lambda board: repr(board.rows))
    store = Store(tmp_path)
    store.write(record(), [ItemScore("clip1", 1.0)])
    summary = refresh(tmp_path, store)
    times: list[str] = []
    monkeypatch.setattr(outputs, "make", lambda *words: times.append("made") or make(*words))
    return store, summary, times


def test_what_has_not_changed_is_not_made_again(made) -> None:
    store, summary, times = made
    assert refresh(store.output, Store(store.output)) == summary
    assert times == []


def test_an_unchanged_leaderboard_reads_no_record(made, monkeypatch) -> None:
    store, summary, _ = made

    def refuse(self: Store) -> None:
        raise AssertionError("the records were read")

    monkeypatch.setattr(Store, "load", refuse)
    assert refresh(store.output, store) == summary


@pytest.mark.parametrize("name", ["leaderboard.csv", "leaderboard.html", "tradeoff.png"])
@pytest.mark.parametrize("change", ["edited", "removed"])
def test_a_file_that_was_edited_or_removed_is_made_again(made, name: str, change: str) -> None:
    store, _, times = made
    path = store.output / name
    before = path.read_bytes()
    path.write_bytes(before[:-1] + b"?") if change == "edited" else path.unlink()
    refresh(store.output, store)
    assert times == ["made"]
    assert path.read_bytes() == before


def _a_record_more(store: Store, record) -> None:
    store.write(record(seed=1))


def _one_less(store: Store, record) -> None:
    (store.output / "records" / f"{record().hash}.json").unlink()


def _torn(store: Store, record) -> None:
    (store.output / "records" / f"{record().hash}.json").write_text("{")


def _other_items(store: Store, record) -> None:
    (store.output / "items" / f"{record().hash}.json.gz").unlink()


def _no_memory(store: Store, record) -> None:
    (store.output / KEPT).write_text("{")


@pytest.mark.parametrize("change", [_a_record_more, _one_less, _torn, _other_items, _no_memory])
def test_other_records_are_another_leaderboard(made, record, change) -> None:
    store, summary, times = made
    change(store, record)
    assert (refresh(store.output, store) == summary) == (change is _no_memory)
    assert times == ["made"]


def test_another_command_or_library_is_another_leaderboard(made, monkeypatch) -> None:
    store, _, times = made
    refresh(store.output, store, "another command")
    assert "another command" in (store.output / "leaderboard.md").read_text()
    monkeypatch.setattr(leaderboard, "_version", lambda library: "99")
    refresh(store.output, store, "another command")
    assert times == ["made"] * 2


def test_importing_brings_no_heavy_library() -> None:
    heavy = "{'torch', 'mmengine', 'matplotlib', 'plotly', 'rich', 'numpy', 'scipy'}"
    script = f"import results.leaderboard, sys; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=False).returncode == 0


def test_building_rows_needs_neither_torch_nor_pictures() -> None:
    heavy = "{'torch', 'mmengine', 'matplotlib', 'rich'}"
    script = f"import results.table.gather, sys; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=False).returncode == 0
