"""What a board is, in words: the task, and of data and options what tells it from the other boards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePath

from registry.component import Component
from registry.errors import UserError
from results.render import format
from results.table.groups import Board
from results.table.row import Row, by_board

LONGEST = 60
"""Characters of a title."""


def board_titles(rows: Iterable[Row]) -> dict[Board, str]:
    """A title for each board of rows with a score: `event localisation`, `classification · birds · segments 5`.

    Data are named where a board's are not the embedded world, by the folder or file that was given, and with digits of
    their digest where two boards would be called alike; options and protocol where boards of a task differ in them.
    """
    boards = by_board(rows)
    alike: dict[str, list[Board]] = {}
    for board in boards:
        alike.setdefault(_name(board), []).append(board)
    titles = {}
    for name, own in alike.items():
        told = {board: _differing_options(board, own) for board in own}
        for board in own:
            data = _place(boards[board]) or board.data.partition("@")[0]
            parts = [words(name), *([] if data in ("", "synthetic") and len(own) == 1 else [data]), *told[board]]
            parts += [board.protocol] if len({other.protocol for other in own}) > 1 else []
            titles[board] = " · ".join(filter(None, parts))
    return _told_apart({board: _cut(title) for board, title in titles.items()})


def words(name: str) -> str:
    """A registered name as people write it."""
    return name.replace("_", " ")


def levels_in_words(row: Row) -> str:
    """`chance 3.45 %, majority 65.21 %`; empty where neither is known."""
    known = (("chance", row.score.chance), ("majority", row.score.majority))
    return ", ".join(f"{name} {format.number(level, 2)} %" for name, level in known if level is not None)


def _name(board: Board) -> str:
    return board.task.partition("(")[0]


def _options(board: Board) -> dict[str, object]:
    try:
        return dict(Component.parse(board.task).options)
    except UserError:
        return {"": board.task} if "(" in board.task else {}


def _differing_options(board: Board, boards: Sequence[Board]) -> list[str]:
    found = [_options(other) for other in boards]
    names = sorted({name for options in found for name in options})
    differing = [name for name in names if len({repr(options.get(name)) for options in found}) > 1]
    own = _options(board)
    return [f"{words(name)} {own[name]}".strip() for name in differing if name in own]


def _place(rows: Sequence[Row]) -> str:
    """The folder or file that the data were read from, by its last part that says anything."""
    for row in rows:
        try:
            data = Component.parse(row.task_in_full).options.get("data")
        except UserError:
            continue
        if isinstance(data, str) and data != "synthetic":
            path = PurePath(data)
            return path.parent.name or path.stem if path.name == "manifest.csv" else path.stem or data
    return ""


def _cut(title: str) -> str:
    return title if len(title) <= LONGEST else f"{title[: LONGEST - 1]}…"


def _told_apart(titles: dict[Board, str]) -> dict[Board, str]:
    """The titles, with digits of the data's digest, and the metric, behind those that would name two boards."""
    found = {}
    for board, title in titles.items():
        twins = [other for other, own in titles.items() if own == title]
        digits = f" · {board.data.partition('@')[2][:6]}" if len({twin.data for twin in twins}) > 1 else ""
        metric = f" · {words(board.metric)}" if len({twin.metric for twin in twins}) > 1 else ""
        found[board] = title + (digits + metric if len(twins) > 1 else "")
    return found
