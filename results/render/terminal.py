"""A leaderboard as text for a terminal: one table a board, in columns of which a narrow one leaves some out."""

from __future__ import annotations

from collections.abc import Sequence

from registry.text import printable, shortened
from results.render import format
from results.render.boards import board_titles, levels_in_words
from results.render.markdown import FRONT, TIED, marks, ms_per_clip, remarks
from results.summary import ScreenTable, Summary
from results.table.gather import Leaderboard
from results.table.groups import Board
from results.table.row import Row, by_board, shared_labels

OF_SEVERAL = ("std", "groups", "gain")
"""Columns that need several seeds or rows; they are left out where no row has anything to say there."""
LONGEST_LINE = 1000
"""Characters of others in one line."""


def summarise(board: Leaderboard, files: Sequence[str] = ()) -> Summary:
    """The tables, what a reader must know, and the names of the files that were written."""
    rows = board.rows
    labels = shared_labels([row for row in rows if row.score.mean is not None])
    legend = [f"{FRONT} on the front: no row above it has fewer trainable parameters."] if rows else []
    legend += [f"{TIED} cannot be told apart from the best."] if any(TIED in marks(row) for row in rows) else []
    if rows:
        single = any(row.score.seeds == 1 for row in rows)
        legend.append(
            "± is half a 95 % interval"
            + (", with one seed over test items only: the noise between seeds is not in it" if single else "")
            + (", std the deviation over seeds." if any(row.score.std is not None for row in rows) else ".")
        )
    if any(row.comparison.letters for row in rows):
        legend.append("Rows that share a letter cannot be told apart (all pairs, Holm, 5 %).")
    titles = board_titles(rows)
    return Summary(
        tables=tuple(
            _table(titles[ranked_in], ranked_in, members, labels) for ranked_in, members in by_board(rows).items()
        ),
        legend=tuple(legend),
        failures=tuple(
            _line_of(f"{row.task} · {row.short_backbone} · {row.short_adapter} · {failure}")
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


def _table(name: str, board: Board, rows: Sequence[Row], labels: Sequence[str]) -> ScreenTable:
    lines = [_line(row, rows, labels) for row in rows]
    silent = {name for name in OF_SEVERAL if all(line[name] in ("", format.UNKNOWN) for line in lines)}
    lines = [{name: text for name, text in line.items() if name not in silent} for line in lines]
    return ScreenTable(
        title=_line_of(" · ".join(filter(None, (name, board.metric, ", ".join(labels), levels_in_words(rows[0]))))),
        columns=tuple(lines[0]),
        lines=tuple(tuple(line.values()) for line in lines),
        bold=tuple(bool(row.fronts.pareto) for row in rows),
    )


def _line(row: Row, board: Sequence[Row], labels: Sequence[str]) -> dict[str, str]:
    return {
        FRONT: marks(row),
        "backbone": _line_of(row.short_backbone),
        "adapter": "\n  ".join(map(_line_of, [row.short_adapter, *remarks(row, board, labels)])),
        "score": format.score(row.score.mean, row.score.interval),
        "std": format.number(row.score.std, 2),
        "groups": format.letters(row.comparison.letters),
        "gain": format.gain(row.comparison.gain_over_linear_probe, row.comparison.gain_interval),
        "trainable": format.count(row.cost.trainable_parameters),
        "%": format.number(row.cost.trainable_percent, 2),
        "MB": format.number(row.cost.peak_memory_mb, 0),
        "ms/clip": ms_per_clip(row),
        "training": format.duration(row.cost.train_seconds),
    }
