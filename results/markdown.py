"""Rows as a Markdown page: one table a board, failures and unreadable files below."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from results import readable
from results.row import Board, Row, by_board, shared_labels
from results.store import Unreadable

FRONT = "★"

_HEADER = (
    "",
    "backbone",
    "adapter",
    "score",
    "95 % interval",
    "seeds",
    "gain over linear probe",
    "adapter",
    "head",
    "trainable",
    "trainable %",
    "total",
    "GFLOPs",
    "memory (MB)",
    "ms per clip",
    "training",
    "remarks",
)
_TEXT_COLUMNS = {0, 1, 2, len(_HEADER) - 1}

_LEGEND = (
    "Score: mean ± standard deviation over seeds, in percent. "
    "95 % interval: bootstrap over test items and seeds; with one seed over items only. "
    "Gain: over the linear probe of the same backbone and data, ± its paired 95 % interval. "
    "Adapter, head, trainable and total are numbers of parameters. "
    f"{FRONT}: no other row of the table has as high a score with as few trainable parameters."
)


def to_markdown(rows: Sequence[Row], command: str, unreadable: Iterable[Unreadable] = ()) -> str:
    """The whole page; `command` is shown as the way to make it again."""
    shared = shared_labels([row for row in rows if row.mean is not None])
    parts = ["# Leaderboard", f"Made by `{command}`."]
    if shared:
        parts.append(f"**All rows: {_escape(', '.join(shared))}.**")
    parts.append(_LEGEND)
    if not rows:
        parts.append("No runs yet.")
    for board, members in by_board(rows).items():
        parts += [f"## {_escape(board.task)}", _board_line(board), _table(members, shared)]
    parts += _failures(rows) + _unreadable(unreadable)
    return "\n\n".join(parts) + "\n"


def _board_line(board: Board) -> str:
    data, metric, protocol = (f"`{part or 'unknown'}`" for part in (board.data, board.metric, board.protocol))
    return f"Data {data} · metric {metric} · selected on {protocol}"


def _table(rows: Sequence[Row], shared: Sequence[str]) -> str:
    rule = ["---" if i in _TEXT_COLUMNS else "---:" for i in range(len(_HEADER))]
    return "\n".join(_line(cells) for cells in (_HEADER, rule, *(_cells(row, rows, shared) for row in rows)))


def _cells(row: Row, board: Sequence[Row], shared: Sequence[str]) -> list[str]:
    return [
        FRONT if row.pareto else "",
        _escape(row.backbone),
        _escape(row.adapter),
        readable.score(row.mean, row.std),
        readable.UNKNOWN if row.interval is None else f"± {row.interval:.2f}",
        str(row.seeds),
        readable.gain(row.gain_over_linear_probe, row.gain_interval),
        readable.count(row.adapter_parameters),
        readable.count(row.head_parameters),
        readable.count(row.trainable_parameters),
        readable.number(row.trainable_percent, 2),
        readable.count(row.total_parameters),
        readable.significant(row.gflops),
        readable.number(row.peak_memory_mb, 0),
        readable.significant(row.ms_per_clip),
        readable.duration(row.train_seconds),
        _escape("; ".join(remarks(row, board, shared))),
    ]


def remarks(row: Row, board: Sequence[Row], shared: Sequence[str]) -> list[str]:
    """What a reader must know beside the numbers: own labels, failed seeds, and what tells apart rows of one name."""
    twins = [other for other in board if (other.backbone, other.adapter) == (row.backbone, row.adapter)]
    differing = [part for part in ("recipe", "weights", "code") if len({getattr(twin, part) for twin in twins}) > 1]
    own = [label for label in row.labels if label not in shared]
    failed = [] if row.status == "completed" else [row.status]
    return own + failed + [f"{part} {getattr(row, part) or 'unknown'}" for part in differing]


def _failures(rows: Iterable[Row]) -> list[str]:
    lines = [
        _line([_escape(text) for text in (row.task, row.backbone, row.adapter, failure)])
        for row in rows
        for failure in row.failures
    ]
    if not lines:
        return []
    head = [_line(("task", "backbone", "adapter", "failure")), _line(["---"] * 4)]
    return ["## Failed runs", "They enter no number above.", "\n".join(head + lines)]


def _unreadable(files: Iterable[Unreadable]) -> list[str]:
    lines = [f"- {_escape(file.reason)}" for file in files]
    return ["## Files that could not be read", "\n".join(lines)] if lines else []


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escape(text: str) -> str:
    line = " ".join(text.split())
    for char in "\\|`*<":
        line = line.replace(char, f"\\{char}")
    return line
