"""Cells for queues, which nothing trains for real."""

from __future__ import annotations

from typing import Any

from benchmark.grid.cell import Cell
from benchmark.grid.spec import RunSpec
from registry import Component
from tasks.recipe import Recipe


def cell(name: str, mood: str = "well", **changes: Any) -> Cell:
    adapter = Component("fake_adapter", {"mood": mood})
    parts = {"seed": 0, "recipe": Recipe(), **changes}
    return Cell(RunSpec(Component("fake_backbone"), adapter, Component("fake_task"), **parts), name, {"adapter": "1"})
