from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from registry.vocabulary import Answers, ItemScore
from results.export.every_eval_ever import evaluation, evaluation_id, item_lines, items_path, path
from results.table.build import build


def exported(record):
    runs = [record(seed=seed, finished=f"2026-01-0{seed + 1}T00:00:00+00:00") for seed in (0, 1)]
    items = {run.hash: [ItemScore(f"clip{i}", float(i % 2), "dog", "farm") for i in range(6)] for run in runs}
    answers = Answers({}, ("dog", "car"), ("clip0", "clip1"), np.array([0, 1]), np.array([0, 0]))
    (row,) = build(runs, items.__getitem__)
    lines = list(item_lines(row, items.__getitem__, lambda run_hash: answers))
    return row, evaluation(row, "1.0", lines), lines


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


def test_names_of_folders_are_plain_and_tell_components_apart(record) -> None:
    named = [build([record(backbone=f"vit(weights='/a/{name} c.pth')")])[0] for name in ("b", "d")]
    paths = [path(row) for row in named]
    plain = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_+./")
    assert all(set(one) <= plain for one in paths)
    assert paths[0].rpartition("/")[0] != paths[1].rpartition("/")[0]
    assert [one.count("/") for one in paths] == [4, 4]
    assert items_path(named[0]) == paths[0].replace(".json", "_samples.jsonl")


def test_a_row_that_is_written_again_takes_its_own_place(record) -> None:
    assert path(exported(record)[0]) == path(exported(record)[0])


@pytest.mark.exports
def test_the_packages_own_check_and_schemas_take_every_row(grid, tmp_path: Path) -> None:
    """The package needs Python 3.12, so that it lives in an environment of its own: `make test-exports`."""
    python = Path(os.environ["AVBENCH_EVERY_EVAL_EVER"]).resolve().parent / "python"
    records, items = grid
    rows = [row for row in build(records, items.__getitem__) if row.score.mean is not None]
    answers = Answers({}, ("dog", "car"), ("clip0", "clip1"), np.array([0, 1]), np.array([0, 0]))
    files = []
    for row in rows[::4]:
        lines = list(item_lines(row, items.__getitem__, lambda run_hash: answers))
        for file, text in (
            (path(row), json.dumps(evaluation(row, "1.0", lines))),
            (items_path(row), "".join(lines)),
        ):
            files.append(tmp_path / file)
            files[-1].parent.mkdir(parents=True, exist_ok=True)
            files[-1].write_text(text)
    assert len(files) >= 10
    words = [str(python), "-m", "every_eval_ever", "validate"]
    words += [str(file.relative_to(tmp_path)) for file in files]
    checked = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    where = "import every_eval_ever, pathlib; print(pathlib.Path(every_eval_ever.__file__).parent / 'schemas')"
    folder = Path(subprocess.run([str(python), "-c", where], capture_output=True, text=True, check=True).stdout.strip())
    of_rows, of_items = (
        json.loads((folder / f"{kind}.schema.json").read_text()) for kind in ("eval", "instance_level_eval")
    )
    for file in files:
        if file.suffix == ".json":
            jsonschema.validate(json.loads(file.read_text()), of_rows)
        else:
            jsonschema.validate(json.loads(file.read_text().splitlines()[0]), of_items)
