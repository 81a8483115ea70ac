from __future__ import annotations

import pytest

from registry.errors import UserError
from registry.vocabulary import ItemScore
from results.table.build import build
from results.table.compare import compare_rows
from results.table.naming import find


def modalities(record):
    runs, items = [], {}
    for modality, right in (("", 8), (", modality='audio'", 5), (", modality='visual'", 6)):
        for seed in (0, 1):
            task = f"classification(data='/somewhere/{seed}'{modality})"
            run = record(
                task=task, adapter="lavish", seed=seed, scores={"accuracy": 10.0 * right}, hash=f"h{right}{seed}"
            )
            runs.append(run)
            items[run.hash] = [ItemScore(f"clip{i}", float(i < right)) for i in range(10)]
    return runs, items


def test_modalities_are_rows_of_one_board_wherever_the_data_lie(record) -> None:
    runs, items = modalities(record)
    rows = build(runs, items.__getitem__)
    assert [(row.modality, row.score.mean, row.score.seeds) for row in rows] == [
        ("both", 80.0, 2),
        ("visual", 60.0, 2),
        ("audio", 50.0, 2),
    ]
    assert {row.board.task for row in rows} == {"classification"}
    assert rows[1].short_adapter == "lavish, visual only"
    assert rows[0].task_in_full == "classification(data='/somewhere/0')"


def test_both_stand_against_the_better_of_one(record) -> None:
    runs, items = modalities(record)
    rows = build(runs, items.__getitem__)
    assert [row.comparison.both_against_one for row in rows] == [20.0, None, None]
    assert rows[0].comparison.both_against_one_interval > 0


def test_modalities_can_be_compared(record) -> None:
    runs, items = modalities(record)
    rows = build(runs, items.__getitem__)
    one = "tiny_vit/lavish/classification(modality='audio')"
    (pair,) = compare_rows(rows, items.__getitem__, "tiny_vit/lavish", one)
    assert pair.lines[0].test.difference.mean == pytest.approx(30.0)
    assert [item.item for item in pair.disagreements] == ["clip5", "clip6", "clip7"]
    only = [row for row in rows if row.modality != "both"]
    with pytest.raises(UserError, match=r"several modalities; add /classification\(modality="):
        find(only, "tiny_vit/lavish")
