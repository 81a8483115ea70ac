from __future__ import annotations

from results.table.build import build
from results.table.columns import COLUMNS, MEASUREMENTS, value
from results.table.row import Comparison, Cost, Effort, Fronts, Score


def test_every_number_of_a_row_is_a_column(record) -> None:
    (row,) = build([record()])
    parts = (row.score, row.comparison, row.cost, row.fronts, row.effort)
    assert (Score, Comparison, Cost, Fronts, Effort) == tuple(map(type, parts))
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
