"""What was kept in rows of its own, and why: runs of one name that may not be averaged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from results.table.groups import versions_of
from results.table.row import Row

_PARTS = ("data", "metric", "protocol", "modality", "labels", "weights")


def kept_apart(rows: Sequence[Row]) -> list[str]:
    """One line for each task, backbone and adapter that has several rows, naming what they differ in."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if row.runs:
            groups.setdefault((row.task, row.short_backbone, row.short_adapter), []).append(row)
    return [
        f"{' · '.join(name)}: {len(twins)} rows, since they differ in {'; '.join(differences(twins))}"
        for name, twins in sorted(groups.items())
        if len(twins) > 1
    ]


def differences(rows: Sequence[Row]) -> list[str]:
    """What rows differ in: `weights 1a2b | 3c4d`, of versions each part, `version of adapter 1 | 2`, and of the recipe
    each field, `recipe adapter_lr 0.001 | 0.002`."""
    found = [
        f"{part} {' | '.join(map(_text, values))}"
        for part in _PARTS
        if len(values := _distinct(getattr(row, part) for row in rows)) > 1
    ]
    found += _by_name("version of", [versions_of(row.runs[0]) if row.runs else {} for row in rows])
    return found + _by_name("recipe", [row.runs[0].recipe if row.runs else {} for row in rows])


def _by_name(kind: str, contents: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"{kind} {name} {' | '.join(map(_text, values))}"
        for name in sorted({name for content in contents for name in content})
        if len(values := _distinct(content.get(name, "absent") for content in contents)) > 1
    ]


def _distinct(values: Iterable[Any]) -> list[Any]:
    distinct: list[Any] = []
    for value in values:
        if value not in distinct:
            distinct.append(value)
    return distinct


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return str(value) if value != "" else "unknown"
