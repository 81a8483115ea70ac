"""Which cells take longest, from records where there are some, else from operations."""

from __future__ import annotations

import dataclasses

import pytest

from benchmark.grid.cell import Cell
from benchmark.grid.spec import RunSpec
from benchmark.launch import schedule as expected
from benchmark.launch.schedule import estimate_cost, longest_first
from registry import Component
from results.record import RunRecord
from tasks.recipe import Recipe


def cell(adapter: str, epochs: int) -> Cell:
    spec = RunSpec(Component("b"), Component(adapter), Component("t"), 0, Recipe(epochs=epochs))
    return Cell(spec, f"{adapter}{epochs}", {})


def test_records_come_first_and_give_operations_their_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expected._Counts, "work", lambda self, cell: {"x": 2.0, "y": 3.0}[cell.spec.adapter.name] * 10)
    seen = RunRecord(
        **cell("x", 2).spec.as_dict(), hash="old", slug="s", status="completed", primary_metric="m", scores={"m": 1.0},
        train_seconds=8.0, history=[{"epoch": 1.0}, {"epoch": 2.0}],
    )  # fmt: skip
    cells = [cell("x", 5), cell("y", 5)]
    assert estimate_cost(cells, [seen]) == {"x5": 20.0, "y5": 30.0}
    assert estimate_cost(cells, [dataclasses.replace(seen, train_seconds=None)]) == {"x5": 20.0, "y5": 30.0}
    assert estimate_cost(cells, [dataclasses.replace(seen, train_seconds=80.0)]) == {"x5": 200.0, "y5": 300.0}
    assert longest_first(cells, {"x5": 1.0, "y5": 2.0}) == cells[::-1]
