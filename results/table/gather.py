"""All that the files of a leaderboard show, from a source of records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from registry.vocabulary import Answers, ItemScore, ShownClip, StressScores
from results.statistics.errors import Errors, errors_of
from results.statistics.paired import ItemsOf
from results.statistics.robustness import Robustness, robustness_of
from results.store.serialise import RecordError
from results.store.source import RecordSource, Unreadable
from results.table.build import rows_of
from results.table.differences import kept_apart
from results.table.groups import group_runs, notes
from results.table.published import published_for
from results.table.row import Drops, Row
from results.table.short_names import short_names

StressOf = Callable[[str], StressScores | None]
"""From a run's hash to what it scored under conditions."""

MOST_WITH_ERRORS = 500
"""Rows of a leaderboard up to which answers are read: each takes milliseconds."""


@dataclass(frozen=True)
class Leaderboard:
    """The rows and what a reader must know beside them."""

    rows: list[Row]
    published: tuple[Row, ...] = ()
    kept_apart: list[str] = field(default_factory=list)
    """What was kept in rows of its own, and why."""
    notes: list[str] = field(default_factory=list)
    """How records came together: copies, seeds completed more than once, records without versions."""
    unreadable: list[Unreadable] = field(default_factory=list)
    """Files of the store that could not be read."""
    command: str = ""
    """Makes it again."""
    errors: list[Errors | None] = field(default_factory=list)
    """Of each row, where answers were kept; empty for boards of more than `MOST_WITH_ERRORS` rows."""
    robustness: list[Robustness | None] = field(default_factory=list)
    """Of each row, where it was measured under conditions; empty likewise."""
    galleries: list[tuple[int, tuple[ShownClip, ...]] | None] = field(default_factory=list)
    """Of each row, the seed and clips of the first run that kept some; empty likewise."""


def gather(source: RecordSource, command: str = "python -m benchmark leaderboard") -> Leaderboard:
    """The leaderboard of a source; items that cannot be read are told, and their run counts without them."""
    records = source.load()
    unreadable = list(records.unreadable)
    groups = group_runs(records)
    answers = _answers(source, unreadable)

    def levels(run_hash: str) -> dict[str, float]:
        found = answers(run_hash)
        return found.levels if found else {}

    rows = named(rows_of(groups, _telling(source.items, unreadable), levels), records.names)
    told = records.notes + notes(groups)
    few = len(rows) <= MOST_WITH_ERRORS
    errors = [_errors(row, answers) for row in rows] if few else []
    stress = _stress(source, unreadable)
    robustness = [robustness_of_row(row, stress) for row in rows] if few else []
    galleries = [_gallery(row, source, unreadable) for row in rows] if few else []
    if few:
        rows = [replace(row, drops=Drops.of(own)) if own else row for row, own in zip(rows, robustness, strict=True)]
    beside = (errors, robustness, galleries)
    return Leaderboard(rows, published_for(rows), kept_apart(rows), told, unreadable, command, *beside)


def _gallery(row: Row, source: RecordSource, unreadable: list[Unreadable]) -> tuple[int, tuple[ShownClip, ...]] | None:
    for run in row.runs:
        try:
            if found := source.gallery(run.hash):
                return run.seed, found
        except RecordError as error:
            unreadable.append(Unreadable(Path(f"gallery/{run.hash}.json.gz"), str(error)))
    return None


def robustness_of_row(row: Row, stress: StressOf) -> Robustness | None:
    """What the seeds of a row show that were measured under conditions."""
    return robustness_of([(run.seed, found) for run in row.runs if (found := stress(run.hash))])


def _errors(row: Row, answers: Callable[[str], Answers | None]) -> Errors | None:
    return errors_of([found for run in row.runs if (found := answers(run.hash))])


def named(rows: Sequence[Row], given: Mapping[str, str]) -> list[Row]:
    """The rows with short names.

    Args:
        given: by the component in full, as the records have it.
    """
    backbones = short_names((row.backbone for row in rows), given)
    adapters = short_names((row.adapter for row in rows), given)
    return [
        replace(row, backbone_name=backbones.get(row.backbone, ""), adapter_name=adapters.get(row.adapter, ""))
        for row in rows
    ]


def _answers(source: RecordSource, unreadable: list[Unreadable]) -> Callable[[str], Answers | None]:
    def read(run_hash: str) -> Answers | None:
        try:
            return source.answers(run_hash)
        except RecordError as error:
            unreadable.append(Unreadable(Path(f"answers/{run_hash}.npz"), str(error)))
            return None

    return read


def _stress(source: RecordSource, unreadable: list[Unreadable]) -> StressOf:
    def read(run_hash: str) -> StressScores | None:
        try:
            return source.stress(run_hash)
        except RecordError as error:
            unreadable.append(Unreadable(Path(f"stress/{run_hash}.npz"), str(error)))
            return None

    return read


def _telling(items: ItemsOf, unreadable: list[Unreadable]) -> ItemsOf:
    def read(run_hash: str) -> list[ItemScore]:
        try:
            return list(items(run_hash))
        except RecordError as error:
            unreadable.append(Unreadable(Path(f"items/{run_hash}.json.gz"), str(error)))
            return []

    return read
