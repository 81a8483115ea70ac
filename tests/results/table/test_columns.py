from __future__ import annotations

from dataclasses import replace

from registry.vocabulary import STRESS_FAMILIES
from results.table.build import build
from results.table.columns import COLUMNS, MEASUREMENTS, columns_of, value
from results.table.row import Comparison, Cost, Drops, Effort, Fronts, Score


def test_every_number_of_a_row_is_a_column(record) -> None:
    (row,) = build([record()])
    parts = (row.score, row.comparison, row.cost, row.fronts, row.effort, row.drops)
    assert (Score, Comparison, Cost, Fronts, Effort, Drops) == tuple(map(type, parts))
    for part in parts:
        for name, number in vars(part).items():
            assert value(row, name) == number
    key = {
        "task",
        "data",
        "backbone",
        "adapter",
        "metric",
        "protocol",
        "labels",
        "recipe",
        "weights",
        "versions",
        "modality",
    }
    numbers = {name for part in parts for name in vars(part)}
    assert set(COLUMNS) == key | numbers | {"status", "kind", "source"} | {
        "short_backbone",
        "short_adapter",
        "task_in_full",
    }
    assert set(MEASUREMENTS) <= numbers


def test_columns_of_conditions_are_there_where_a_row_was_measured_under_some(record) -> None:
    (row,) = build([record()])
    assert not [name for name in columns_of([row]) if name.startswith(("drop_", "confusion_"))]
    measured = replace(row, drops=Drops(drop_no_sound=1.5))
    assert columns_of([row, measured]) == COLUMNS
    assert {f"drop_{family}" for family in STRESS_FAMILIES} <= set(vars(Drops()))
