"""Records folded into cells: the runs that differ in nothing but their seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, field
from typing import Any

from results.record import RunRecord


@dataclass(frozen=True, order=True)
class CellKey:
    """Everything that two runs must share before their scores may be averaged; "" and () are unknown."""

    task: str
    data: str
    metric: str
    protocol: str
    backbone: str
    adapter: str
    labels: tuple[str, ...]
    recipe: str
    weights: str
    code: str

    def agrees_where_known(self, other: CellKey) -> bool:
        """Whether `other` has the same value for each part that this key knows."""
        return all(not mine or mine == theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True))


@dataclass
class Cell:
    """Completed and failed runs of one key, each ordered by seed."""

    key: CellKey
    completed: list[RunRecord] = field(default_factory=list)
    failed: list[RunRecord] = field(default_factory=list)


def fold(records: Iterable[RunRecord]) -> list[Cell]:
    """Group records by key, in the order of the keys.

    A run that failed early knows little of itself: it joins the one cell of completed runs that agrees with what it
    knows, and stands alone where none or several do. A failure whose seed has completed since is history and left out.
    """
    runs = sorted(_latest(records), key=lambda record: (record.seed, record.hash))
    cells: dict[CellKey, Cell] = {}
    for record in runs:
        if record.status == "completed":
            cells.setdefault(key := key_of(record), Cell(key)).completed.append(record)
    completed_keys = list(cells)
    for record in runs:
        if record.status == "failed":
            own = key_of(record)
            agreeing = [key for key in completed_keys if own.agrees_where_known(key)]
            key = agreeing[0] if len(agreeing) == 1 else own
            cell = cells.setdefault(key, Cell(key))
            if all(run.seed != record.seed for run in cell.completed):
                cell.failed.append(record)
    return [cells[key] for key in sorted(cells) if cells[key].completed or cells[key].failed]


def key_of(record: RunRecord) -> CellKey:
    """The key of one run; recipe, weights and code as eight hexadecimal digits."""
    return CellKey(
        task=record.task,
        data=record.data or "",
        metric=record.primary_metric,
        protocol=record.protocol,
        backbone=record.backbone,
        adapter=record.adapter,
        labels=tuple(sorted(record.labels)),
        recipe=short_hash(record.recipe),
        weights=short_hash(record.weights),
        code=short_hash({"code": record.code} if record.code else {}),
    )


def short_hash(content: Mapping[str, Any]) -> str:
    """Eight hexadecimal digits of the content, whatever the order of its keys; "" for nothing."""
    if not content:
        return ""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _latest(records: Iterable[RunRecord]) -> list[RunRecord]:
    """One record for each key and seed, so that no seed counts twice: a completed one, and of several the last."""
    latest: dict[tuple[CellKey, int], RunRecord] = {}
    for record in sorted(records, key=lambda r: (r.status == "completed", r.finished, r.hash)):
        latest[key_of(record), record.seed] = record
    return list(latest.values())
