"""Rows as CSV: stable bytes, fixed decimals, and no text that a spreadsheet would run as a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

from registry.text import printable
from results.table.columns import COLUMNS, MEASUREMENTS, columns_of, value
from results.table.row import Row

DECIMALS = {
    "peak_memory_mb": 1,
    "train_seconds": 1,
    "ms_per_clip": 3,
    "gflops": 6,
    "gain_p_value": 6,
    "behind_best_p_value": 6,
    "train_ms_per_clip": 3,
    "single_peak_memory_mb": 1,
    "single_train_ms": 3,
    "single_inference_ms": 3,
}
_OTHER_DECIMALS = 4
_FORMULA = re.compile(r"(^|[;,|]\s*)(?=[=+\-@＝＋－＠])")


def to_csv(rows: Iterable[Row]) -> str:
    """A header and one line for each row, in the order given; unknown is empty, lines end in a line feed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    rows = list(rows)
    columns = columns_of(rows)
    writer.writerow(columns)
    writer.writerows([_text(name, value(row, name)) for name in columns] for row in rows)
    return text.getvalue()


def without_measurements(text: str) -> str:
    """A leaderboard as CSV with `results.table.columns.MEASUREMENTS` left empty: equal bytes for equal results."""
    reader = csv.DictReader(io.StringIO(text, newline=""))
    blanked = io.StringIO()
    writer = csv.DictWriter(blanked, reader.fieldnames or COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, **dict.fromkeys(MEASUREMENTS, "")} for row in reader)
    return blanked.getvalue()


def decimals(name: str) -> int:
    """Decimals of a column's fractional numbers."""
    return DECIMALS.get(name, _OTHER_DECIMALS)


def _text(name: str, content: object) -> str:
    match content:
        case None:
            return ""
        case bool():
            return "true" if content else "false"
        case int():
            return str(content)
        case float():
            # Adding 0.0 turns a rounded -0.0 into 0.0.
            return f"{round(content, decimals(name)) + 0.0:.{decimals(name)}f}"
        case tuple():
            return harmless("; ".join(content))
        case _:
            return harmless(str(content))


def harmless(text: str) -> str:
    """Text on one line that no spreadsheet takes for a formula: a leading = + - @ is kept behind an apostrophe, also
    where a spreadsheet of another country sees a cell begin."""
    return _FORMULA.sub(r"\1'", printable(" ".join(text.split())))
