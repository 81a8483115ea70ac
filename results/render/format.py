"""Numbers as a person reads them in a table."""

from __future__ import annotations

UNKNOWN = "–"
MOST_LETTERS = 6

_STEPS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def count(value: float | None) -> str:
    """A count in at most four figures: 987, 12.3 k, 1.2 M."""
    if value is None:
        return UNKNOWN
    for size, letter in _STEPS:
        # 999,950 is the least that would be written 1000.0 k.
        if value >= size * 0.99995 and value >= 1000:
            return f"{value / size:.1f} {letter}"
    return f"{value:.0f}"


def byte_count(value: float | None) -> str:
    """987 B, 12.3 kB, 1.2 MB."""
    if value is None:
        return UNKNOWN
    text = count(value)
    return f"{text} B" if text[-1].isdigit() else f"{text}B"


def counted(many: int, noun: str) -> str:
    """A number of things: 1 cell, 2 cells."""
    return f"{many} {noun}" if many == 1 else f"{many} {noun}s"


def number(value: float | None, decimals: int) -> str:
    """A number with fixed decimals."""
    return UNKNOWN if value is None else f"{round(value, decimals) + 0.0:.{decimals}f}"


def significant(value: float | None) -> str:
    """A number in three significant figures, without an exponent: 0.0123, 1.23, 123, 12345."""
    if value is None:
        return UNKNOWN
    if value == 0:
        return "0"
    return f"{value:.0f}" if abs(value) >= 100 else f"{float(f'{value:.3g}'):g}"


def score(mean: float | None, half_width: float | None) -> str:
    """Mean, and half its 95 % interval where that is known: 71.23 ± 0.52."""
    return number(mean, 2) if half_width is None else f"{number(mean, 2)} ± {half_width:.2f}"


def gain(value: float | None, half_width: float | None) -> str:
    """A signed difference with its interval: +4.10 ± 0.92."""
    if value is None:
        return UNKNOWN
    text = f"{round(value, 2) + 0.0:+.2f}"
    return text if half_width is None else f"{text} ± {half_width:.2f}"


def ranks(low: int | None, high: int | None) -> str:
    """Between which ranks: 2–5, or 1."""
    if low is None or high is None:
        return UNKNOWN
    return str(low) if low == high else f"{low}–{high}"


def letters(text: str) -> str:
    """Of more letters than a column holds the first, and how many more."""
    return f"{text[:MOST_LETTERS]} +{len(text) - MOST_LETTERS}" if len(text) > MOST_LETTERS + 2 else text


def p_value(value: float) -> str:
    """p = 0.012, or p < 0.001."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def duration(seconds: float | None) -> str:
    """45 s, 12.5 min, 3.2 h."""
    if seconds is None:
        return UNKNOWN
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
