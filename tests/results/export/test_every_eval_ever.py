from __future__ import annotations

import hashlib
import json

import jsonschema
import numpy as np
import pytest

from registry.vocabulary import Answers, ItemScore
from results.export.every_eval_ever import evaluation, evaluation_id, file_name, item_lines
from results.table.build import build

every_eval_ever = "every_eval_ever"


def exported(record):
    runs = [record(seed=seed, finished=f"2026-01-0{seed + 1}T00:00:00+00:00") for seed in (0, 1)]
    items = {run.hash: [ItemScore(f"clip{i}", float(i % 2), "dog", "farm") for i in range(6)] for run in runs}
    answers = Answers({}, ("dog", "car"), ("clip0", "clip1"), np.array([0, 1]), np.array([0, 0]))
    (row,) = build(runs, items.__getitem__)
    lines = list(item_lines(row, items.__getitem__, lambda run_hash: answers))
    return row, evaluation(row, "1.0", "row.jsonl", lines), lines


def test_a_row_tells_its_score_interval_and_items(record) -> None:
    row, content, lines = exported(record)
    (result,) = content["evaluation_results"]
    bounds = result["score_details"]["uncertainty"]["confidence_interval"]
    assert (bounds["lower"] + bounds["upper"]) / 2 == pytest.approx(row.score.mean)
    assert content["detailed_evaluation_results"]["total_rows"] == len(lines) == 12
    assert content["detailed_evaluation_results"]["checksum"] == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert content["retrieved_timestamp"] == "1767312000"
    json.dumps(content, allow_nan=False)


def test_an_item_tells_its_seed_group_truth_and_answer(record) -> None:
    row, _, lines = exported(record)
    second = json.loads(lines[1])
    assert second["sample_id"] == "clip1@0"
    assert second["evaluation_id"] == evaluation_id(row)
    assert (second["input"]["reference"], second["output"]["raw"]) == (["car"], ["dog"])
    assert second["metadata"] == {"seed": "0", "kind": "dog", "group": "farm"}
    assert json.loads(lines[5])["input"]["reference"] == []


def test_names_of_files_are_plain_whatever_components_are_called(record) -> None:
    (row,) = build([record(backbone="vit(weights='/a/b c.pth')")])
    assert set(file_name(row)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def test_the_published_schemas_take_it(record) -> None:
    # The package needs Python 3.12; what it requires is asked of it where it is installed.
    resources = pytest.importorskip("importlib.resources")
    package = pytest.importorskip(every_eval_ever)
    _, content, lines = exported(record)
    folder = resources.files(package) / "schemas"
    jsonschema.validate(content, json.loads((folder / "eval.schema.json").read_text()))
    for line in lines:
        jsonschema.validate(json.loads(line), json.loads((folder / "instance_level_eval.schema.json").read_text()))
