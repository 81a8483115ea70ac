"""Rows as LaTeX tables for a paper: one a board, in the style of booktabs."""

from __future__ import annotations

from collections.abc import Sequence

from results.render import format
from results.table.groups import Board
from results.table.row import Row, by_board, shared_labels

_SPECIAL = {char: f"\\{char}" for char in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "·": r"\textperiodcentered{}",
    "×": r"$\times$",
    "–": "--",
    "±": r"$\pm$",
    # Behind a line's end these three would be taken for its options.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    # German and other languages of babel make letters of it.
    '"': r"\char34{}",
}
_TIED = r"$^{\dagger}$"
_HEADER = ("Backbone", "Adapter", r"Score (\%)", "Gain", "Trainable", r"\%", "MB", "ms/clip")


def to_latex(rows: Sequence[Row], published: Sequence[Row] = ()) -> str:
    r"""Tables to `\input` in a document that uses the package booktabs.

    The best score of a table is bold; a dagger marks those that cannot be told apart from it.
    """
    parts = ["% Needs \\usepackage{booktabs}. Made by `python -m benchmark leaderboard`; edits will be lost."]
    parts += [_table(board, members) for board, members in by_board(rows).items()]
    parts += [_published(board, members) for board, members in by_board(published).items()]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Text as LaTeX prints it, on one line; what is outside of ASCII and unknown here becomes a question mark."""
    line = " ".join(text.split())
    return "".join(_SPECIAL.get(char, char if char.isascii() and char.isprintable() else "?") for char in line)


def _table(board: Board, rows: Sequence[Row]) -> str:
    labels = shared_labels(rows)
    caption = f"{_words(board.task)} on {escaped(board.data or 'unknown data')}, {_words(board.metric)}"
    notes = [f"selected on {escaped(board.protocol)}", *map(escaped, labels)]
    legend = (
        r"Mean $\pm$ standard deviation over seeds; gain over the linear probe of the same backbone $\pm$ its paired "
        rf"95\,\% interval; {_TIED} cannot be told apart from the best (Holm, 5\,\%)."
    )
    lines = [_line(_cells(row, is_best=row is rows[0])) for row in rows]
    return _environment(f"{caption} ({'; '.join(notes)}). {legend}", "llrrrrrr", _HEADER, lines)


def _cells(row: Row, is_best: bool) -> list[str]:
    score = escaped(format.score(row.score.mean, row.score.std))
    if is_best:
        score = rf"\textbf{{{score}}}"
    elif row.comparison.tied_with_best:
        score += _TIED
    return [
        escaped(row.backbone),
        escaped(row.adapter),
        score,
        escaped(format.gain(row.comparison.gain_over_linear_probe, row.comparison.gain_interval)),
        format.count(row.cost.trainable_parameters).replace("–", "--"),
        escaped(format.number(row.cost.trainable_percent, 2)),
        escaped(format.number(row.cost.peak_memory_mb, 0)),
        escaped(format.significant(row.cost.ms_per_clip)),
    ]


def _published(board: Board, rows: Sequence[Row]) -> str:
    lines = [
        _line(
            [
                escaped(row.backbone),
                escaped(row.adapter),
                f"{row.score.mean:g}",
                escaped(format.count(row.cost.trainable_parameters)),
                escaped(format.count(row.cost.total_as_published)),
            ]
        )
        for row in rows
    ]
    caption = (
        f"Published numbers, not measured here: {_words(board.task)} on {escaped(board.data)}, {_words(board.metric)} "
        f"(protocol: {escaped(board.protocol)})."
    )
    return _environment(caption, "llrrr", ("Backbone", "Method", r"Score (\%)", "Trainable", "Total"), lines)


def _environment(caption: str, columns: str, header: Sequence[str], lines: Sequence[str]) -> str:
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{caption}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            _line(header),
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _line(cells: Sequence[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def _words(name: str) -> str:
    return escaped(name.replace("_", " "))
