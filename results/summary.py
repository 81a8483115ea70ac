"""What a command says of a leaderboard: its tables as text, what a reader must know, which files there are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class ScreenTable:
    """One board for a terminal of any width."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    """Text of each row, column by column."""
    bold: tuple[bool, ...]
    """Whether each row is on the front."""


@dataclass(frozen=True)
class Summary:
    """Everything in plain text, so that it can be kept beside the files and shown again without reading a record."""

    tables: tuple[ScreenTable, ...] = ()
    legend: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    kept_apart: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    """Files that were left out, each with the reason."""
    files: tuple[str, ...] = ()
    """Names of the files of the leaderboard."""
    rows: int = 0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Summary:
        """What `as_dict` gave, after a trip through JSON.

        Raises:
            KeyError, TypeError: something else.
        """
        tables = [
            ScreenTable(
                table["title"],
                tuple(table["columns"]),
                tuple(tuple(line) for line in table["lines"]),
                tuple(table["bold"]),
            )
            for table in content["tables"]
        ]
        lists = {
            name: tuple(content[name]) for name in ("legend", "failures", "notes", "kept_apart", "unreadable", "files")
        }
        return cls(tables=tuple(tables), **lists, rows=content["rows"])
