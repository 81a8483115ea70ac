"""A leaderboard on screen, and what is missing of it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from registry.text import printable
from results.summary import ScreenTable, Summary
from results.table.coverage import Cover

_WIDE = 100
"""Characters in a line from which the costs are shown as well."""
_COSTS = {"%", "MB", "ms/clip", "training"}
_LEFT = {"★", "backbone", "adapter"}


def show(summary: Summary, console: Console | None = None) -> None:
    """Print the boards, then the failures, to `console` (standard output by default)."""
    console = console or Console()
    for table in summary.tables:
        console.print(_table(table, wide=console.width >= _WIDE))
    for line in summary.legend:
        console.print(line, style="dim")
    for failure in summary.failures:
        console.print(Text(f"failed  {failure}", style="red"), soft_wrap=True)


def show_coverage(covers: Sequence[Cover], console: Console | None = None) -> None:
    """Print which seeds each cell has: done, failed (!) and missing (?)."""
    console = console or Console()
    tasks = sorted({cover.task for cover in covers})
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("backbone", "adapter", *tasks):
        table.add_column(escape(printable(name)), overflow="fold")
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for cover in covers:
        lines.setdefault((cover.backbone, cover.adapter), {})[cover.task] = _seeds(cover)
    for (backbone, adapter), cells in lines.items():
        table.add_row(*map(Text, (printable(backbone), printable(adapter), *(cells[task] for task in tasks))))
    console.print(table)
    counts = [sum(len(getattr(cover, part)) for cover in covers) for part in ("completed", "failed", "missing")]
    console.print("{} done, {} failed (!), {} missing (?).".format(*counts))


def _seeds(cover: Cover) -> str:
    marked = [(seed, "") for seed in cover.completed] + [(seed, "!") for seed in cover.failed]
    marked += [(seed, "?") for seed in cover.missing]
    return " ".join(f"{seed}{mark}" for seed, mark in sorted(marked))


def _table(board: ScreenTable, wide: bool) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.title, table.title_justify, table.title_style = escape(board.title), "left", "bold"
    shown = [place for place, name in enumerate(board.columns) if wide or name not in _COSTS]
    for name in (board.columns[place] for place in shown):
        left = name in _LEFT
        table.add_column(name, justify="left" if left else "right", no_wrap=not left, overflow="fold")
    for line, bold in zip(board.lines, board.bold, strict=True):
        table.add_row(*(Text(line[place]) for place in shown), style="bold" if bold else None)
    return table
