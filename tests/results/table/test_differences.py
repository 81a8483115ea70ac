from __future__ import annotations

from results.table.build import build
from results.table.differences import differences, kept_apart


def test_versions_and_recipes_are_told_field_by_field(record) -> None:
    rows = build(
        [
            record(scores={"accuracy": 60.0}),
            record(recipe={"epochs": 9, "mixup": 0.5}, versions={"backbone": "2", "task": "file:ab"}, hash="other"),
        ]
    )
    assert differences(rows) == [
        "version of backbone 1 | 2",
        "version of task 1 | file:ab",
        "recipe epochs 2 | 9",
        "recipe mixup absent | 0.5",
    ]
    (line,) = kept_apart(rows)
    assert line.startswith("avqa · tiny_vit · linear_probe: 2 rows, since they differ in version of backbone 1 | 2;")


def test_rows_that_agree_differ_in_nothing(record) -> None:
    (row,) = build([record()])
    assert differences([row, row]) == []
    assert kept_apart([row]) == []
