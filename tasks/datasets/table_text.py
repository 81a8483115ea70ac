"""Tables as programs save them: which encoding, which separator, which columns hold nothing."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Collection, Iterator
from pathlib import Path

from registry.errors import UserError

_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
SEPARATORS = (",", ";", "\t")


def decode_text(content: bytes, path: Path) -> str:
    """The text of a file that is UTF-8, or says with its first bytes that it is UTF-16.

    Raises:
        UserError: it is something else, with the mend.
    """
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not {encoding.removesuffix('-sig').upper()} text (byte {error.start}); save it as UTF-8, which "
            "spreadsheets call 'CSV UTF-8'."
        ) from None


def read_rows(text: str, path: Path, needed: Collection[str]) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table with their line numbers, the header first; fields are stripped, empty lines left out.

    Fields are separated as a first line `sep=;` says, or else by whichever of comma, semicolon and tab gives the header
    the columns that are needed. Columns that hold nothing, the header included, are left out.

    Raises:
        UserError: it is no such table.
    """
    separator, skipped = _separator(text, needed)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    rows: list[tuple[int, list[str]]] = []
    try:
        for fields in reader:
            if reader.line_num > skipped and any(field.strip() for field in fields):
                rows.append((reader.line_num, [field.strip() for field in fields]))
    except csv.Error as error:
        raise UserError(f"manifest {path} line {reader.line_num} is not CSV: {error}.") from None
    yield from _without_empty_columns(rows, path)


def _separator(text: str, needed: Collection[str]) -> tuple[str, int]:
    """The separator, and how many lines only tell it."""
    first, _, _rest = text.partition("\n")
    if first.strip().strip('"').lower().startswith("sep=") and len(told := first.strip().strip('"')[4:] or "\t") == 1:
        return told, 1
    found = {mark: len(set(needed) & {name.strip(' "\r') for name in first.split(mark)}) for mark in SEPARATORS}
    return max(SEPARATORS, key=lambda mark: found[mark]), 0


def _without_empty_columns(rows: list[tuple[int, list[str]]], path: Path) -> list[tuple[int, list[str]]]:
    if not rows:
        return []
    header = rows[0][1]
    unnamed = [place for place, name in enumerate(header) if not name]
    kept = []
    for line, fields in rows:
        while len(fields) > len(header) and not fields[-1]:
            fields = fields[:-1]
        said = next((place for place in unnamed if place < len(fields) and fields[place]), None)
        if said is not None:
            raise UserError(
                f"manifest {path} line {line} says {fields[said][:40]!r} in column {said + 1}, which is without a name "
                "in the header; name it or empty it."
            )
        kept.append((line, [field for place, field in enumerate(fields) if place not in unnamed]))
    return kept
