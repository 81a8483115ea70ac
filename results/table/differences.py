"""What was kept in rows of its own, and why: runs of one name that may not be averaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from results.table.row import Row

_PARTS = ("data", "metric", "protocol", "labels", "weights", "code")


def kept_apart(rows: Sequence[Row]) -> list[str]:
    """One line for each task, backbone and adapter that has several rows, naming what they differ in."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        if row.runs:
            groups.setdefault((row.task, row.backbone, row.adapter), []).append(row)
    return [
        f"{' · '.join(name)}: {len(twins)} rows, since they differ in {'; '.join(differences(twins))}"
        for name, twins in sorted(groups.items())
        if len(twins) > 1
    ]


def differences(rows: Sequence[Row]) -> list[str]:
    """What rows differ in: `code 1a2b | 3c4d`, and of the recipe each field, `recipe adapter_lr 0.001 | 0.002`."""
    found = [
        f"{part} {' | '.join(map(_text, values))}"
        for part in _PARTS
        if len(values := _distinct(getattr(row, part) for row in rows)) > 1
    ]
    recipes = [row.runs[0].recipe if row.runs else {} for row in rows]
    names = sorted({name for recipe in recipes for name in recipe})
    return found + [
        f"recipe {name} {' | '.join(map(_text, values))}"
        for name in names
        if len(values := _distinct(_field(recipe, name) for recipe in recipes)) > 1
    ]


def _field(recipe: Mapping[str, Any], name: str) -> Any:
    return recipe.get(name, "absent")


def _distinct(values: Any) -> list[Any]:
    distinct: list[Any] = []
    for value in values:
        if value not in distinct:
            distinct.append(value)
    return distinct


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return str(value) if value != "" else "unknown"
