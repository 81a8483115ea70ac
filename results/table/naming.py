"""Rows by what people call them: `tiny_vit/stg_cma(ratio=0.25)`."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from registry.component import Component, split_outside_brackets
from registry.errors import UserError
from results.table.groups import Board, on_board
from results.table.row import Row

FORM = (
    "backbone/adapter, as in 'tiny_vit/stg_cma(ratio=0.25)', with /task or @digits of its recipe, weights or versions"
)
BOTH = "both"


@dataclass(frozen=True)
class RowName:
    """The parts of a row's name; "" matches whatever there is."""

    backbone: str
    adapter: str
    task: str = ""
    digits: str = ""

    @classmethod
    def parse(cls, text: str, short: Collection[str] = ()) -> RowName:
        """Read `backbone/adapter[/task][@digits]`.

        Args:
            short: names of a study, which are taken as they are.

        Raises:
            UserError: the text is not of that form.
        """
        names, *digits = split_outside_brackets(text, "@") or [""]
        parts = split_outside_brackets(names, "/")
        if len(parts) not in (2, 3) or len(digits) > 1:
            raise UserError(f"cannot read the row {text!r}; write {FORM}.")
        # In canonical form, so that spaces, quotes and the order of options do not matter.
        components = [part if part in short else str(Component.parse(part)) for part in parts]
        return cls(*components, **({"digits": digits[0]} if digits else {}))

    def fits(self, row: Row) -> bool:
        """Whether the row has this name, options included."""
        task, modality = on_board(self.task)
        return (
            self.backbone in ("", row.backbone, row.backbone_name)
            and self.adapter in ("", row.adapter, row.adapter_name)
            and task in ("", row.task)
            and (modality == BOTH or modality == row.modality)
            and self._has_digits(row)
        )

    def fits_without_options(self, row: Row) -> bool:
        """Whether the row has these names, where a name without options stands for any options."""
        task, modality = on_board(self.task)
        own = (self.backbone, row.backbone), (self.adapter, row.adapter), (task, row.task)
        return (
            all(not asked or asked in (found, found.partition("(")[0]) for asked, found in own)
            and (modality == BOTH or modality == row.modality)
            and self._has_digits(row)
        )

    def _has_digits(self, row: Row) -> bool:
        return not self.digits or any(part.startswith(self.digits) for part in (row.recipe, row.weights, row.versions))


def find(rows: Sequence[Row], text: str) -> dict[Board, Row]:
    """The one row of this name on each board.

    Raises:
        UserError: no row has the name, or a board has several.
    """
    scored = [row for row in rows if row.score.mean is not None]
    name = RowName.parse(text, {name for row in scored for name in (row.backbone_name, row.adapter_name) if name})
    found = [row for row in scored if name.fits(row)] or [row for row in scored if name.fits_without_options(row)]
    if not found:
        raise _unknown(text, scored)
    boards: dict[Board, Row] = {}
    for row in _of_both_where_there_are(found):
        if row.board in boards:
            raise _ambiguous(text, [other for other in found if other.board == row.board])
        boards[row.board] = row
    return boards


def title(row: Row) -> str:
    """`backbone/adapter`, by their short names."""
    return f"{row.short_backbone}/{row.short_adapter}"


def _of_both_where_there_are(rows: Sequence[Row]) -> list[Row]:
    """A name that tells no modality is of the row that looks at both, where a board has one."""
    whole = {row.board for row in rows if row.modality == BOTH}
    return [row for row in rows if row.modality == BOTH or row.board not in whole]


def _unknown(text: str, rows: Sequence[Row]) -> UserError:
    known = sorted({f"{row.short_backbone}/{row.adapter_name or row.adapter}" for row in rows})
    close = difflib.get_close_matches(text, known, n=2, cutoff=0.5)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    return UserError(f"no row with a score is called {text!r}.{hint} Rows: {', '.join(known) or 'none'}.")


def _ambiguous(text: str, rows: Sequence[Row]) -> UserError:
    names = {f"{row.backbone}/{row.adapter}" for row in rows}
    if len(names) > 1:
        return UserError(f"{text!r} fits several rows; give the options: {', '.join(sorted(names))}.")
    apart = next(
        part for part in ("modality", "recipe", "weights", "versions") if len({getattr(row, part) for row in rows}) > 1
    )
    if apart == "modality":
        return UserError(
            f"{text!r} fits rows of several modalities; add /{rows[0].task}(modality='{rows[0].modality}')."
        )
    choices = ", ".join(f"@{getattr(row, apart)} ({row.score.mean:.2f})" for row in rows)
    return UserError(f"{text!r} fits {len(rows)} rows of {rows[0].task} that differ in {apart}; add one of: {choices}.")
