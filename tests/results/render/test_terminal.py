from __future__ import annotations

import json

from registry.vocabulary import ItemScore
from results.record import Parameters
from results.render.terminal import summarise
from results.store.source import Unreadable
from results.summary import Summary
from results.table.build import build
from results.table.gather import Leaderboard


def leaderboard(record) -> Leaderboard:
    rows = build(
        [
            record(),
            record(adapter="lavish", scores={"accuracy": 60.0}, parameters=Parameters(10**6, 12_300, 2_000)),
            record(adapter="broken", status="failed"),
        ]
    )
    return Leaderboard(rows, notes=["a note"], kept_apart=["why"], unreadable=[Unreadable("records/a.json", "torn")])


def test_a_board_in_text(record) -> None:
    summary = summarise(leaderboard(record), ["leaderboard.csv"])
    (table,) = summary.tables
    assert table.title == "avqa · accuracy · synthetic data"
    lines = [dict(zip(table.columns, line, strict=True)) for line in table.lines]
    assert [(line["adapter"], line["score"], line["trainable"]) for line in lines] == [
        ("lavish", "60.00", "14.3 k"),
        ("linear_probe", "50.00", "2.0 k"),
    ]
    assert table.bold == (True, True)
    assert summary.failures == ("avqa · tiny_vit · broken · seed 0: error: it broke",)
    assert (summary.rows, summary.files) == (3, ("leaderboard.csv",))
    assert summary.unreadable == ("records/a.json was left out: torn",)


def test_columns_of_several_seeds_or_rows_are_left_out_of_a_board_that_has_nothing_for_them(record) -> None:
    (one,) = summarise(Leaderboard(build([record()]))).tables
    (several,) = summarise(Leaderboard(build([record(seed=seed) for seed in range(2)]))).tables
    assert not {"std", "groups", "gain"} & set(one.columns)
    assert "std" in several.columns


def test_a_gain_has_its_interval_and_one_seed_says_what_that_leaves_out(record) -> None:
    runs = [record(), record(adapter="lavish", scores={"accuracy": 60.0})]
    items = {
        run.hash: [ItemScore(str(i), float(i < right)) for i in range(100)]
        for run, right in zip(runs, (50, 60), strict=True)
    }
    summary = summarise(Leaderboard(build(runs, items.__getitem__)))
    (table,) = summary.tables
    assert table.lines[0][table.columns.index("gain")].startswith("+10.00 ± ")
    assert "± is half a 95 % interval, with one seed over test items only" in " ".join(summary.legend)
    twice = summarise(Leaderboard(build([record(seed=seed) for seed in range(2)])))
    assert "one seed" not in " ".join(twice.legend)


def test_a_summary_survives_a_file(record) -> None:
    summary = summarise(leaderboard(record), ["leaderboard.csv"])
    assert Summary.from_dict(json.loads(json.dumps(summary.as_dict()))) == summary


def test_nothing_is_a_summary_too() -> None:
    assert summarise(Leaderboard([])) == Summary()
