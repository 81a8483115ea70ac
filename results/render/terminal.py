"""A leaderboard as text for a terminal: one table a board, in columns of which a narrow one leaves some out."""

from __future__ import annotations

from collections.abc import Sequence

from registry.text import printable, shortened
from results.render import format
from results.render.markdown import FRONT, TIED, marks, remarks
from results.summary import ScreenTable, Summary
from results.table.gather import Leaderboard
from results.table.groups import Board
from results.table.row import Row, by_board, shared_labels

LONGEST_LINE = 1000
"""Characters of others in one line."""


def summarise(board: Leaderboard, files: Sequence[str] = ()) -> Summary:
    """The tables, what a reader must know, and the names of the files that were written."""
    rows = board.rows
    labels = shared_labels([row for row in rows if row.score.mean is not None])
    legend = [f"{FRONT} on the front: no row above it has fewer trainable parameters."] if rows else []
    legend += [f"{TIED} cannot be told apart from the best."] if any(TIED in marks(row) for row in rows) else []
    return Summary(
        tables=tuple(_table(ranked_in, members, labels) for ranked_in, members in by_board(rows).items()),
        legend=tuple(legend),
        failures=tuple(
            _line_of(f"{row.task} · {row.backbone} · {row.adapter} · {failure}")
            for row in rows
            for failure in row.failures
        ),
        notes=tuple(map(_line_of, board.notes)),
        kept_apart=tuple(map(_line_of, board.kept_apart)),
        unreadable=tuple(_line_of(f"{file.path} was left out: {file.reason}") for file in board.unreadable),
        files=tuple(files),
        rows=len(rows),
    )


def _line_of(text: str) -> str:
    return shortened(printable(text), LONGEST_LINE)


def _table(board: Board, rows: Sequence[Row], labels: Sequence[str]) -> ScreenTable:
    lines = [_line(row, rows, labels) for row in rows]
    return ScreenTable(
        title=_line_of(" · ".join(filter(None, (board.task, board.metric, ", ".join(labels))))),
        columns=tuple(lines[0]),
        lines=tuple(tuple(line.values()) for line in lines),
        bold=tuple(bool(row.fronts.pareto) for row in rows),
    )


def _line(row: Row, board: Sequence[Row], labels: Sequence[str]) -> dict[str, str]:
    return {
        FRONT: marks(row),
        "backbone": _line_of(row.backbone),
        "adapter": "\n  ".join(map(_line_of, [row.adapter, *remarks(row, board, labels)])),
        "score": format.score(row.score.mean, row.score.std),
        "gain": format.gain(row.comparison.gain_over_linear_probe, None),
        "trainable": format.count(row.cost.trainable_parameters),
        "%": format.number(row.cost.trainable_percent, 2),
        "MB": format.number(row.cost.peak_memory_mb, 0),
        "ms/clip": format.significant(row.cost.ms_per_clip),
        "training": format.duration(row.cost.train_seconds),
    }
