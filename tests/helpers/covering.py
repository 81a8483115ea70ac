"""Part of a product, for the default run; the whole of it runs with `pytest -m exhaustive`."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pytest


def covering(rows: Collection[str], columns: Collection[str], each: int = 1) -> list[object]:
    """Every (row, column); all but a part in which each row meets `each` columns is `exhaustive`."""
    assert len(rows) * each >= len(columns), "a column would meet no row"
    return [
        pytest.param(row, column, marks=() if (place - each * number) % len(columns) < each else pytest.mark.exhaustive)
        for number, row in enumerate(rows)
        for place, column in enumerate(columns)
    ]


def smaller_first(rows: Iterable[tuple[object, ...]]) -> list[object]:
    """The rows; those of a large model, which has more of the same blocks than its base, are `exhaustive`."""
    return [pytest.param(*row, marks=pytest.mark.exhaustive if str(row[0]).endswith("_large") else ()) for row in rows]
