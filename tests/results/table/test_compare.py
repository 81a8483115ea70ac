from __future__ import annotations

import numpy as np
import pytest

from registry.errors import UserError
from registry.vocabulary import CLEAN, Condition, ItemScore, StressScores
from results.statistics.robustness import robustness_of
from results.table.build import build
from results.table.compare import OVERALL, compare_rows
from results.table.naming import RowName, find


def world(record):
    """Two adapters with two seeds on avqa, one of them also on retrieval; right answers can be counted."""
    runs, items = [], {}
    for adapter, right in (("linear_probe", 2), ("stg_cma(ratio=0.25)", 6)):
        for seed in (0, 1):
            run = record(adapter=adapter, seed=seed, scores={"accuracy": 12.5 * right})
            runs.append(run)
            items[run.hash] = [ItemScore(f"q{i}", float(i < right), "sight" if i < 4 else "sound") for i in range(8)]
    lone = record(task="retrieval", adapter="linear_probe")
    return [*runs, lone], {**items, lone.hash: []}


def test_a_comparison_by_hand(record) -> None:
    runs, items = world(record)
    (pair,) = compare_rows(build(runs), items.__getitem__, "tiny_vit/stg_cma(ratio=0.25)", "tiny_vit/linear_probe")
    assert (pair.board.task, pair.seeds, pair.differ_in) == ("avqa", 2, [])
    assert [(line.kind, line.items, line.first, line.second) for line in pair.lines] == [
        (OVERALL, 8, 75.0, 25.0),
        ("sight", 4, 100.0, 50.0),
        ("sound", 4, 50.0, 0.0),
    ]
    overall, sight, sound = pair.lines
    assert overall.test.difference.mean == 50.0
    # Seeds agree, so it is the paired t-test over eight items of which four differ: t = 0.5 / 0.189 = 2.646, p = 0.033.
    assert overall.test.p_value == pytest.approx(0.0331, abs=1e-4)
    assert overall.corrected == overall.test.p_value
    assert [line.corrected for line in (sight, sound)] == pytest.approx([2 * sight.test.p_value] * 2)


def test_rows_that_differ_in_more_than_their_parts_say_so(record) -> None:
    runs = [record(), record(adapter="lavish", recipe={"epochs": 9, "lr": 0.1}, versions={"adapter": "2"})]
    (pair,) = compare_rows(build(runs), lambda run_hash: [], "tiny_vit/lavish", "tiny_vit/linear_probe")
    # Another adapter has a version of its own.
    assert pair.differ_in == ["recipe epochs 9 | 2", "recipe lr 0.1 | absent"]
    assert pair.lines == []


def test_two_rows_of_one_name_differ_in_their_versions(record) -> None:
    rows = build([record(), record(versions={"adapter": "2"}, hash="other")])
    names = [f"tiny_vit/linear_probe@{row.versions}" for row in rows]
    (pair,) = compare_rows(rows, lambda run_hash: [], *names)
    assert pair.differ_in == ["version of adapter 1 | 2"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("tiny_vit/lavish", RowName("tiny_vit", "lavish")),
        (" tiny_vit / stg_cma( ratio = .25 ) ", RowName("tiny_vit", "stg_cma(ratio=0.25)")),
        ("vit(model='a/b@c')/lavish/avqa@12ab", RowName("vit(model='a/b@c')", "lavish", "avqa", "12ab")),
    ],
)
def test_names_are_read_in_canonical_form(text, name) -> None:
    assert RowName.parse(text) == name


@pytest.mark.parametrize("text", ["lavish", "a/b/c/d", "a/b@1@2", "tiny_vit/lavish(", ""])
def test_what_is_no_name_is_refused(text) -> None:
    with pytest.raises(UserError):
        RowName.parse(text)


def test_a_name_without_options_stands_for_the_only_row(record) -> None:
    rows = build([record(adapter="stg_cma(ratio=0.25)"), record(adapter="stg_cma(ratio=0.5)", backbone="tiny_swin")])
    (row,) = find(rows, "tiny_vit/stg_cma").values()
    assert row.adapter == "stg_cma(ratio=0.25)"
    rows = build([record(adapter="stg_cma(ratio=0.25)"), record(adapter="stg_cma(ratio=0.5)")])
    with pytest.raises(UserError, match=r"give the options: tiny_vit/stg_cma\(ratio=0.25\), tiny_vit/stg_cma"):
        find(rows, "tiny_vit/stg_cma")


def test_rows_of_one_name_are_told_apart_by_digits(record) -> None:
    rows = build([record(), record(recipe={"epochs": 9}, scores={"accuracy": 60.0}, hash="b")])
    with pytest.raises(UserError, match="differ in recipe; add one of: @") as error:
        find(rows, "tiny_vit/linear_probe")
    better = next(row for row in rows if row.score.mean == 60.0)
    assert f"@{better.recipe} (60.00)" in str(error.value)
    assert list(find(rows, f"tiny_vit/linear_probe@{better.recipe}").values()) == [better]


@pytest.mark.parametrize(
    ("first", "second", "complaint"),
    [
        ("tiny_vit/linear_prob", "tiny_vit/stg_cma", "Did you mean tiny_vit/linear_probe"),
        ("tiny_vit/linear_probe", "tiny_vit/linear_probe", "the same row"),
        ("tiny_vit/linear_probe/retrieval", "tiny_vit/stg_cma", "share no task"),
        ("tiny_vit/linear_probe/avq", "tiny_vit/stg_cma", "no row with a score"),
    ],
)
def test_mistakes_are_one_line(record, first, second, complaint) -> None:
    runs, items = world(record)
    with pytest.raises(UserError, match=complaint) as error:
        compare_rows(build(runs), items.__getitem__, first, second)
    assert "\n" not in str(error.value)


def test_what_both_rows_lose_under_conditions_stands_beside(record) -> None:
    runs, items = world(record)
    rows = build(runs)
    condition = Condition("no_sound", "no_sound", "", "audio")

    def robust(adapter: str, lost: int):
        own = [(run.seed, items[run.hash]) for run in runs if run.adapter.startswith(adapter) and run.task == "avqa"]
        names, scores, kinds, groups = zip(*own[0][1], strict=True)
        changed = [score * (place >= lost) for place, score in enumerate(scores)]
        found = StressScores(names, kinds, groups, (CLEAN, condition), np.array([scores, changed]))
        return robustness_of([(seed, found) for seed, _ in own])

    known = [robust(row.family, 2) if row.task == "avqa" else None for row in rows]
    (pair,) = compare_rows(rows, items.__getitem__, "tiny_vit/stg_cma", "tiny_vit/linear_probe/avqa", known)
    (drop,) = pair.drops
    assert (drop.condition, drop.first, drop.second) == (condition, 25.0, 25.0)
    assert (drop.test.difference.mean, drop.corrected) == (0.0, 1.0)
    assert compare_rows(rows, items.__getitem__, "tiny_vit/stg_cma", "tiny_vit/linear_probe/avqa")[0].drops == []
