"""The final table on screen, one for each board."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from results import readable
from results.markdown import FRONT, remarks
from results.row import Board, Row, by_board, shared_labels

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
    for row in rows:
        for failure in row.failures:
            console.print(
                Text(f"failed  {row.task} · {row.backbone} · {row.adapter} · {failure}", style="red"), soft_wrap=True
            )


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
        FRONT: FRONT if row.pareto else "",
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
