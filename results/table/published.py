"""Numbers from papers and their repositories, shown beside ours and never mixed with them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources

from registry.errors import UserError
from results.table.row import PUBLISHED, Cost, Row, Score


@cache
def published() -> tuple[Row, ...]:
    """Every row of `published.csv`: figures with a primary source (mark V, read there; mark C, computed from it).

    `protocol` is `test-selected` where the best epoch was chosen on the test split, `validation-selected` where it was
    chosen on validation, `zero-shot`, or `unknown`.
    """
    rows = [_row(line) for line in lines()]
    return tuple(sorted(rows, key=lambda row: (row.task, row.data, row.metric, -(row.score.mean or 0.0), row.adapter)))


def lines() -> list[dict[str, str]]:
    """The lines of `published.csv`, by column.

    Parameters are numbers of them, never shares; `trainable_percent` is what the source prints, where it prints one.
    """
    with (resources.files("results") / "published.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def published_for(rows: Iterable[Row]) -> tuple[Row, ...]:
    """The published rows of the tasks that occur among our rows, whatever their options."""
    tasks = {row.task.partition("(")[0] for row in rows}
    return tuple(row for row in published() if row.task in tasks)


def figure_of(columns: Mapping[str, str]) -> Row:
    """The one published row with these values of task, data, method, backbone and metric.

    Raises:
        UserError: none or several have them.
    """
    found = [_row(line) for line in lines() if all(line[name] == value for name, value in columns.items())]
    if len(found) != 1:
        raise UserError(f"{len(found)} published figures have {dict(columns)}, expected 1.")
    return found[0]


def _row(line: dict[str, str]) -> Row:
    note = f" ({line['note']})" if line["note"] else ""
    trainable, total = _count(line["trainable_parameters"]), _count(line["total_parameters"])
    return Row(
        task=line["task"],
        data=line["data"],
        backbone=line["backbone"],
        adapter=line["method"],
        metric=line["metric"],
        protocol=line["protocol"],
        labels=("published",),
        recipe="",
        weights="",
        versions="",
        modality="",
        status="not measured here",
        score=Score(mean=float(line["score"])),
        cost=Cost(
            adapter_parameters=_count(line["adapter_parameters"]),
            trainable_parameters=trainable,
            trainable_percent=100 * trainable / total if trainable and total else None,
            total_as_published=total,
        ),
        kind=PUBLISHED,
        source=f"[{line['mark']}] {line['source']}{note}",
    )


def _count(text: str) -> int | None:
    return int(text) if text else None
