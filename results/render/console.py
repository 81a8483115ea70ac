"""The final table on screen, one for each board."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from results.render import format as readable
from results.render.markdown import FRONT, TIED, marks, remarks
from results.statistics.significance import ALPHA
from results.table.compare import Paired
from results.table.coverage import Cover
from results.table.naming import title
from results.table.row import Board, Row, by_board, shared_labels

_WIDE = 100
"""Characters in a line from which the costs are shown as well."""
_LEFT = {FRONT, "backbone", "adapter"}


def show(rows: Sequence[Row], console: Console | None = None) -> None:
    """Print the boards, then the failures, to `console` (standard output by default)."""
    console = console or Console()
    labels = shared_labels([row for row in rows if row.mean is not None])
    for board, members in by_board(rows).items():
        console.print(_table(board, members, labels, wide=console.width >= _WIDE))
    if rows:
        console.print(f"{FRONT} on the front: no row above it has fewer trainable parameters.", style="dim")
        if any(TIED in marks(row) for row in rows):
            console.print(f"{TIED} cannot be told apart from the best.", style="dim")
    for row in rows:
        for failure in row.failures:
            console.print(
                Text(f"failed  {row.task} · {row.backbone} · {row.adapter} · {failure}", style="red"), soft_wrap=True
            )


def show_comparison(paired: Sequence[Paired], console: Console | None = None) -> None:
    """Print two rows side by side, one table for each board."""
    console = console or Console()
    for pair in paired:
        console.print(_comparison_table(pair))
        if pair.differ_in:
            console.print(Text(f"They also differ in {'; '.join(pair.differ_in)}.", style="dim"), soft_wrap=True)
        if not pair.lines:
            console.print(Text("They share no items and seeds, so nothing can be said about the difference."))
        elif pair.seeds == 1:
            console.print(
                Text("One shared seed: the noise between seeds is in neither the interval nor p.", style="yellow")
            )
    console.print(
        "A difference is first minus second in points, with its paired 95 % interval; p is corrected for the lines of "
        "its kind (Holm). Bold: below 0.05. With few seeds p is the stricter of the two.",
        style="dim",
    )


def _comparison_table(pair: Paired) -> Table:
    first, second = title(pair.first), title(pair.second)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    seeds = "1 shared seed" if pair.seeds == 1 else f"{pair.seeds} shared seeds"
    heading = f"{pair.board.task} · {pair.board.metric} · {pair.board.data} · {seeds}"
    table.title, table.title_justify, table.title_style = escape(heading), "left", "bold"
    for name in ("", "items", first, second, "difference", "95 % interval", "p", "p corrected"):
        table.add_column(escape(name), justify="right" if name else "left", overflow="fold")
    for line in pair.lines:
        found = line.comparison.difference
        cells = (
            line.kind.replace("_", " "),
            str(line.items),
            f"{line.first:.2f}",
            f"{line.second:.2f}",
            readable.gain(found.mean, None),
            f"{found.low:+.2f} to {found.high:+.2f}",
            readable.p_value(line.comparison.p_value).removeprefix("p ").removeprefix("= "),
            readable.p_value(line.corrected).removeprefix("p ").removeprefix("= "),
        )
        table.add_row(*map(Text, cells), style="bold" if line.corrected < ALPHA else None)
    return table


def show_coverage(covers: Sequence[Cover], console: Console | None = None) -> None:
    """Print which seeds each cell has: done, failed (!) and missing (?)."""
    console = console or Console()
    tasks = sorted({cover.task for cover in covers})
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("backbone", "adapter", *tasks):
        table.add_column(escape(name), overflow="fold")
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for cover in covers:
        lines.setdefault((cover.backbone, cover.adapter), {})[cover.task] = _seeds(cover)
    for (backbone, adapter), cells in lines.items():
        table.add_row(*map(Text, (backbone, adapter, *(cells[task] for task in tasks))))
    console.print(table)
    counts = [sum(len(getattr(cover, part)) for cover in covers) for part in ("completed", "failed", "missing")]
    console.print("{} done, {} failed (!), {} missing (?).".format(*counts))


def _seeds(cover: Cover) -> str:
    marked = [(seed, "") for seed in cover.completed] + [(seed, "!") for seed in cover.failed]
    marked += [(seed, "?") for seed in cover.missing]
    return " ".join(f"{seed}{mark}" for seed, mark in sorted(marked))


def _table(board: Board, rows: Sequence[Row], labels: Sequence[str], wide: bool) -> Table:
    title = " · ".join(filter(None, (board.task, board.metric, ", ".join(labels))))
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.title, table.title_justify, table.title_style = escape(title), "left", "bold"
    lines = [_cells(row, rows, labels, wide) for row in rows]
    for name in lines[0]:
        left = name in _LEFT
        table.add_column(name, justify="left" if left else "right", no_wrap=not left, overflow="fold")
    for row, line in zip(rows, lines, strict=True):
        table.add_row(*map(Text, line.values()), style="bold" if row.pareto else None)
    return table


def _cells(row: Row, board: Sequence[Row], labels: Sequence[str], wide: bool) -> dict[str, str]:
    narrow = {
        FRONT: marks(row),
        "backbone": row.backbone,
        "adapter": "\n  ".join([row.adapter, *remarks(row, board, labels)]),
        "score": readable.score(row.mean, row.std),
        "gain": readable.gain(row.gain_over_linear_probe, None),
        "trainable": readable.count(row.trainable_parameters),
    }
    costs = {
        "%": readable.number(row.trainable_percent, 2),
        "MB": readable.number(row.peak_memory_mb, 0),
        "ms/clip": readable.significant(row.ms_per_clip),
        "training": readable.duration(row.train_seconds),
    }
    return narrow | costs if wide else narrow
