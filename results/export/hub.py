"""Rows as entries of the Hugging Face hub's `.eval_results/*.yaml`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from results.render import format
from results.table.row import Row


def eval_results(rows: Sequence[Row], dataset: str) -> str:
    """The YAML of rows with a score, for the model repository that holds what was trained.

    Args:
        dataset: id on the hub of the benchmark's data set, `owner/name`.
    """
    return "".join(_entry(row, dataset) for row in rows if row.score.mean is not None)


def _entry(row: Row, dataset: str) -> str:
    """One entry of the list. JSON texts are YAML texts, so that nothing which a record says ends a line early."""
    finished = max((run.finished for run in row.runs), default="")
    notes = (
        f"{row.backbone} with {row.adapter}: {format.score(row.score.mean, row.score.interval)} "
        f"({format.counted(row.score.seeds, 'seed')}, 95 % interval; {row.metric}, selected on {row.protocol})"
    )
    facts: list[tuple[str, Any]] = [("value", round(row.score.mean or 0.0, 4))]
    facts += [("date", finished)] if finished else []
    facts.append(("notes", notes))
    lines = [f"- dataset:\n    id: {_text(dataset)}\n    task_id: {_text(row.task)}\n"]
    lines += [f"  {name}: {_text(fact)}\n" for name, fact in facts]
    return "".join(lines)


def _text(fact: Any) -> str:
    return json.dumps(fact, ensure_ascii=True)
