"""Rows by what people call them: `tiny_vit/stg_cma(ratio=0.25)`."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from registry.component import Component, split_outside_brackets
from registry.errors import UserError
from results.table.groups import Board
from results.table.row import Row

FORM = (
    "backbone/adapter, as in 'tiny_vit/stg_cma(ratio=0.25)', with /task or @digits of its recipe, weights or versions"
)


@dataclass(frozen=True)
class RowName:
    """The parts of a row's name; "" matches whatever there is."""

    backbone: str
    adapter: str
    task: str = ""
    digits: str = ""

    @classmethod
    def parse(cls, text: str) -> RowName:
        """Read `backbone/adapter[/task][@digits]`.

        Raises:
            UserError: the text is not of that form.
        """
        names, *digits = split_outside_brackets(text, "@") or [""]
        parts = split_outside_brackets(names, "/")
        if len(parts) not in (2, 3) or len(digits) > 1:
            raise UserError(f"cannot read the row {text!r}; write {FORM}.")
        # In canonical form, so that spaces, quotes and the order of options do not matter.
        return cls(*(str(Component.parse(part)) for part in parts), **({"digits": digits[0]} if digits else {}))

    def fits(self, row: Row) -> bool:
        """Whether the row has this name, options included."""
        own = (self.backbone, row.backbone), (self.adapter, row.adapter), (self.task, row.task)
        return all(not asked or asked == found for asked, found in own) and self._has_digits(row)

    def fits_without_options(self, row: Row) -> bool:
        """Whether the row has these names, where a name without options stands for any options."""
        own = (self.backbone, row.backbone), (self.adapter, row.adapter), (self.task, row.task)
        return all(not asked or asked in (found, found.partition("(")[0]) for asked, found in own) and (
            self._has_digits(row)
        )

    def _has_digits(self, row: Row) -> bool:
        return not self.digits or any(part.startswith(self.digits) for part in (row.recipe, row.weights, row.versions))


def find(rows: Sequence[Row], text: str) -> dict[Board, Row]:
    """The one row of this name on each board.

    Raises:
        UserError: no row has the name, or a board has several.
    """
    name = RowName.parse(text)
    scored = [row for row in rows if row.score.mean is not None]
    found = [row for row in scored if name.fits(row)] or [row for row in scored if name.fits_without_options(row)]
    if not found:
        raise _unknown(text, scored)
    boards: dict[Board, Row] = {}
    for row in found:
        if row.board in boards:
            raise _ambiguous(text, [other for other in found if other.board == row.board])
        boards[row.board] = row
    return boards


def title(row: Row) -> str:
    """`backbone/adapter`."""
    return f"{row.backbone}/{row.adapter}"


def _unknown(text: str, rows: Sequence[Row]) -> UserError:
    known = sorted({title(row) for row in rows})
    close = difflib.get_close_matches(text, known, n=2, cutoff=0.5)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    return UserError(f"no row with a score is called {text!r}.{hint} Rows: {', '.join(known) or 'none'}.")


def _ambiguous(text: str, rows: Sequence[Row]) -> UserError:
    names = {title(row) for row in rows}
    if len(names) > 1:
        return UserError(f"{text!r} fits several rows; give the options: {', '.join(sorted(names))}.")
    apart = next(part for part in ("recipe", "weights", "versions") if len({getattr(row, part) for row in rows}) > 1)
    choices = ", ".join(f"@{getattr(row, apart)} ({row.score.mean:.2f})" for row in rows)
    return UserError(f"{text!r} fits {len(rows)} rows of {rows[0].task} that differ in {apart}; add one of: {choices}.")
