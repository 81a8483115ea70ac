"""All that the files of a leaderboard show, from a source of records."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from registry.vocabulary import ItemScore
from results.statistics.paired import ItemsOf
from results.store.serialise import RecordError
from results.store.store import RecordSource, Unreadable
from results.table.build import rows_of
from results.table.differences import kept_apart
from results.table.groups import group_runs, notes
from results.table.published import published_for
from results.table.row import Row


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


def gather(source: RecordSource, command: str = "python -m benchmark leaderboard") -> Leaderboard:
    """The leaderboard of a source; items that cannot be read are told, and their run counts without them."""
    records = source.load()
    unreadable = list(records.unreadable)
    groups = group_runs(records)
    rows = rows_of(groups, _telling(source.items, unreadable))
    told = records.notes + notes(groups)
    return Leaderboard(rows, published_for(rows), kept_apart(rows), told, unreadable, command)


def _telling(items: ItemsOf, unreadable: list[Unreadable]) -> ItemsOf:
    def read(run_hash: str) -> list[ItemScore]:
        try:
            return list(items(run_hash))
        except RecordError as error:
            unreadable.append(Unreadable(Path(f"items/{run_hash}.json.gz"), str(error)))
            return []

    return read
