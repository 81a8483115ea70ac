"""Which cells of the grid that the records span are there, and which are missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from results.record import RunRecord


@dataclass
class Cover:
    """One backbone and adapter on one task."""

    backbone: str
    adapter: str
    task: str
    completed: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    missing: set[int] = field(default_factory=set)
    """Seeds that other cells of the task have and this one has not."""


def coverage(records: Sequence[RunRecord]) -> list[Cover]:
    """Every backbone × adapter × task that the records span, and the seeds that each has.

    The seeds expected of a task are all that any of its cells was run with; a seed counts as completed whatever recipe
    or versions it was run with.
    """
    covers = {
        (backbone, adapter, task): Cover(backbone, adapter, task)
        for backbone in sorted({record.backbone for record in records})
        for adapter in sorted({record.adapter for record in records})
        for task in sorted({record.task for record in records})
    }
    for record in records:
        cover = covers[record.backbone, record.adapter, record.task]
        (cover.completed if record.status == "completed" else cover.failed).add(record.seed)
    seeds = {cover.task: set[int]() for cover in covers.values()}
    for cover in covers.values():
        seeds[cover.task] |= cover.completed | cover.failed
    for cover in covers.values():
        cover.failed -= cover.completed
        cover.missing = seeds[cover.task] - cover.completed - cover.failed
    return list(covers.values())
