"""Rows as records of Every Eval Ever (schema 0.3.0): one JSON file a row, a JSONL file with a line for each test item,
in the folders of its data store, `data/<task>/<developer>/<model>/<uuid>.json` and `<uuid>_samples.jsonl`.

A score of several seeds is one result, its interval of seeds and test items. The schema is of language models: what it
calls a model is backbone and adapter, an item's input its name, and its reference the class where answers were kept.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from registry.vocabulary import Answers, ItemScore
from results.record import RunRecord
from results.table.row import Row

SCHEMA = "0.3.0"
LIBRARY = "av-adapter-bench"
ItemsOf = Callable[[str], Sequence[ItemScore]]
AnswersOf = Callable[[str], Answers | None]


def evaluation(row: Row, version: str, lines: Sequence[str]) -> dict[str, Any]:
    """The content of the JSON file of one row with a score.

    Args:
        version: of this package.
        lines: of the JSONL file beside it; without any it is not named.
    """
    content: dict[str, Any] = {
        "schema_version": SCHEMA,
        "evaluation_id": evaluation_id(row),
        "evaluation_timestamp": _finished(row),
        "retrieved_timestamp": _epoch(_finished(row)),
        "source_metadata": {
            "source_name": "AV Adapter Bench",
            "source_type": "evaluation_run",
            "source_organization_name": "unknown",
            "evaluator_relationship": "other",
        },
        "eval_library": {"name": LIBRARY, "version": version},
        "model_info": {
            "name": f"{row.short_backbone} with {row.short_adapter}",
            "id": model_id(row),
            "additional_details": _texts(
                deployment_type="self_deployed",
                model_availability="unknown",
                backbone=row.backbone,
                adapter=row.adapter,
                weights=row.weights,
                trainable_parameters=row.cost.trainable_parameters,
                total_parameters=row.cost.total_parameters,
            ),
        },
        "evaluation_results": [_result(row)],
    }
    if lines:
        content["detailed_evaluation_results"] = {
            "format": "jsonl",
            "file_path": items_path(row),
            "hash_algorithm": "sha256",
            "checksum": hashlib.sha256("".join(lines).encode()).hexdigest(),
            "total_rows": len(lines),
        }
    return content


def item_lines(row: Row, items_of: ItemsOf, answers_of: AnswersOf) -> Iterator[str]:
    """The lines of the JSONL file: every test item of every seed, `item@seed`."""
    for run in row.runs:
        items = items_of(run.hash)
        said = _said(answers_of(run.hash)) if items else {}
        for item in items:
            yield json.dumps(_instance(row, run, item, said.get(item.item)), ensure_ascii=False) + "\n"


def evaluation_id(row: Row) -> str:
    """The same for the same runs."""
    return f"{row.task}/{model_id(row)}/{_digest(*sorted(run.hash for run in row.runs))}"


def model_id(row: Row) -> str:
    """`av-adapter-bench/tiny_vit+lavish`: the folder that has a model's files; components in full are details."""
    return f"{LIBRARY}/{_folder(f'{row.backbone}+{row.adapter}')}"


def path(row: Row) -> str:
    """Of the JSON file, as the data store asks for it."""
    return f"{_stem(row)}.json"


def items_path(row: Row) -> str:
    """Of the JSONL file."""
    return f"{_stem(row)}_samples.jsonl"


def _stem(row: Row) -> str:
    """The last part is a UUID that follows from the runs, so that a row which is written again takes its own place."""
    digest = hashlib.sha256(evaluation_id(row).encode()).digest()[:16]
    return f"data/{_folder(row.task)}/{model_id(row)}/{uuid.UUID(bytes=digest, version=4)}"


def _folder(text: str) -> str:
    """A name that every system can have, the text itself where it is plain."""
    plain = "".join(char if char.isascii() and (char.isalnum() or char in "-_+.") else "_" for char in text)[:80]
    return plain if plain == text and not plain.endswith(".") else f"{plain}-{_digest(text)}"


def _result(row: Row) -> dict[str, Any]:
    score: dict[str, Any] = {"score": row.score.mean}
    score["details"] = _texts(
        seeds=row.score.seeds, std=row.score.std, chance=row.score.chance, majority=row.score.majority
    )
    if row.score.interval is not None and row.score.mean is not None:
        score["uncertainty"] = {
            "confidence_interval": {
                "lower": row.score.mean - row.score.interval,
                "upper": row.score.mean + row.score.interval,
                "confidence_level": 0.95,
                "method": "two-way analysis of variance, seeds and test items random, Student's t",
            }
        }
    return {
        "evaluation_result_id": f"{evaluation_id(row)}/{row.metric}",
        "evaluation_name": row.task,
        "source_data": {
            "dataset_name": row.data or "unknown",
            "source_type": "other",
            "additional_details": _texts(protocol=row.protocol, modality=row.modality, labels="; ".join(row.labels)),
        },
        "evaluation_timestamp": _finished(row),
        "metric_config": {
            "metric_id": f"{row.task.partition('(')[0]}.{row.metric}",
            "metric_name": row.metric.replace("_", " "),
            "metric_unit": "percent",
            "lower_is_better": False,
            "score_type": "continuous",
            "min_score": 0,
            "max_score": 100,
        },
        "score_details": score,
    }


def _instance(row: Row, run: RunRecord, item: ItemScore, said: tuple[str, str] | None) -> dict[str, Any]:
    truth, predicted = said or ("", "")
    return {
        "schema_version": SCHEMA,
        "evaluation_id": evaluation_id(row),
        "model_id": model_id(row),
        "evaluation_name": row.task,
        "evaluation_result_id": f"{evaluation_id(row)}/{row.metric}",
        "sample_id": f"{item.item}@{run.seed}",
        "interaction_type": "single_turn",
        "input": {"raw": item.item, "reference": [truth] if said else []},
        "output": {"raw": [predicted] if said else []},
        "answer_attribution": [],
        "evaluation": {"score": item.score, "is_correct": item.score == 1.0},
        "metadata": _texts(seed=run.seed, kind=item.kind, group=item.group),
    }


def _said(answers: Answers | None) -> dict[str, tuple[str, str]]:
    """Truth and prediction by item."""
    if answers is None or answers.labels is None or answers.predicted is None:
        return {}
    pairs = zip(answers.labels.tolist(), answers.predicted.tolist(), strict=True)
    return {
        item: (answers.classes[truth], answers.classes[predicted])
        for item, (truth, predicted) in zip(answers.items, pairs, strict=True)
    }


def _texts(**facts: object) -> dict[str, str]:
    """Known facts as text, which is all that the schema takes here."""
    return {name: str(fact) for name, fact in facts.items() if fact not in (None, "")}


def _finished(row: Row) -> str:
    return max((run.finished for run in row.runs), default="")


def _epoch(finished: str) -> str:
    """Seconds since 1970, as the schema wants them."""
    try:
        return str(int(datetime.fromisoformat(finished).timestamp()))
    except ValueError:
        return "0"


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]
