"""The files that show the records: tables for people, papers and programs, pictures, and a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from results.record import ItemResult
from results.render.csv import to_csv
from results.render.latex import to_latex
from results.render.markdown import to_markdown
from results.statistics.paired import ItemsOf
from results.store.files import write_atomically
from results.store.serialise import RecordError
from results.store.store import Records, Unreadable
from results.table.build import build, rows_of
from results.table.differences import kept_apart
from results.table.groups import group_runs, notes
from results.table.published import published_for
from results.table.row import Row

__all__ = ["Leaderboard", "Source", "build", "write"]


class Source(Protocol):
    """Where records come from: a `results.store.store.Store`, or several as one."""

    def load(self) -> Records: ...
    def items(self, run_hash: str) -> list[ItemResult]: ...


@dataclass(frozen=True)
class Leaderboard:
    """The rows and what a reader must know beside them."""

    rows: list[Row]
    published: tuple[Row, ...] = ()
    apart: list[str] = field(default_factory=list)
    """What was kept in rows of its own, and why."""
    notes: list[str] = field(default_factory=list)
    """How records came together: copies, seeds completed more than once, records without versions."""
    unreadable: list[Unreadable] = field(default_factory=list)
    """Files of the store that could not be read."""
    command: str = ""
    """Makes it again."""
    files: list[Path] = field(default_factory=list)
    """What was written."""


def gather(source: Source, command: str = "python -m benchmark leaderboard") -> Leaderboard:
    """The rows of a source, nothing written."""
    records = source.load()
    unreadable = list(records.unreadable)
    groups = group_runs(records)
    rows = rows_of(groups, _reporting(source.items, unreadable))
    told = records.notes + notes(groups)
    return Leaderboard(rows, published_for(rows), kept_apart(rows), told, unreadable, command)


def write(output: Path, source: Source, command: str | None = None) -> Leaderboard:
    """Rebuild every file of the leaderboard under `output`: `leaderboard.csv`, `.md`, `.tex`, `.html` and the pictures
    `tradeoff.png` and `tradeoff.svg`.

    Args:
        output: the folder; made where it is absent.
        source: the records and their items.
        command: what the files name as the command that made them.

    Raises:
        UserError: the output cannot be written.
    """
    # Half a second of import, which whoever only builds rows is spared.
    from results.page.build import to_html
    from results.render.plots import draw_tradeoff

    board = gather(source, command or f"python -m benchmark leaderboard --output {output}")
    renderers: dict[str, Callable[[Leaderboard], str]] = {
        "leaderboard.csv": lambda b: to_csv([*b.rows, *b.published]),
        "leaderboard.md": lambda b: to_markdown(b.rows, b.command, b.unreadable, b.published, b.apart, b.notes),
        "leaderboard.tex": lambda b: to_latex(b.rows, b.published),
        "leaderboard.html": to_html,
    }
    for name, render in renderers.items():
        write_atomically(output / name, render(board).encode())
        board.files.append(output / name)
    board.files.extend(draw_tradeoff(board.rows, output))
    return board


def _reporting(items: ItemsOf, unreadable: list[Unreadable]) -> ItemsOf:
    def read(run_hash: str) -> list[ItemResult]:
        try:
            return list(items(run_hash))
        except RecordError as error:
            unreadable.append(Unreadable(Path(f"items/{run_hash}.json.gz"), str(error)))
            return []

    return read
