"""`export`: files for other programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from benchmark.__main__ import main
from registry.vocabulary import ItemScore
from results.record import Parameters, RunRecord
from results.store.store import Store


@pytest.fixture
def output(tmp_path: Path) -> Path:
    record = RunRecord(
        hash="abc",
        slug="x",
        backbone="tiny_vit",
        adapter="lavish",
        task="avqa",
        seed=0,
        recipe={},
        protocol="validation",
        status="completed",
        primary_metric="accuracy",
        scores={"accuracy": 50.0},
        parameters=Parameters(10, 1, 1),
    )
    Store(tmp_path / "runs").write(record, [ItemScore("q0", 1.0), ItemScore("q1", 0.0)])
    return tmp_path / "runs"


def test_every_row_becomes_a_file_with_its_items_beside_it(output: Path, tmp_path: Path, capsys) -> None:
    assert main(["export", "every_eval_ever", "--output", str(output), "--to", str(tmp_path / "to")]) == 0
    assert capsys.readouterr().out.startswith("2 files: ")
    (content,) = (tmp_path / "to").glob("data/avqa/av-adapter-bench/*/*.json")
    told = json.loads(content.read_text())
    lines = (tmp_path / "to" / told["detailed_evaluation_results"]["file_path"]).read_text().splitlines()
    assert [json.loads(line)["evaluation"]["score"] for line in lines] == [1.0, 0.0]


def test_the_hubs_file_lies_where_the_hub_looks(output: Path, tmp_path: Path) -> None:
    words = ["export", "hub", "--output", str(output), "--to", str(tmp_path), "--dataset", "owner/name"]
    assert main(words) == 0
    (entry,) = yaml.safe_load((tmp_path / ".eval_results" / "avqa.yaml").read_text())
    assert entry["dataset"] == {"id": "owner/name", "task_id": "avqa"}


def test_the_schema_needs_no_records(tmp_path: Path) -> None:
    assert main(["export", "schema", "--to", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "record.schema.json").read_text())["title"] == "AV Adapter Bench run record"


@pytest.mark.parametrize("words", [["hub"], ["schema", "--dataset", "a/b"]])
def test_a_data_set_belongs_to_the_hub_alone(words: list[str], tmp_path: Path, capsys) -> None:
    assert main(["export", *words, "--to", str(tmp_path)]) == 2
    assert "--dataset" in capsys.readouterr().err
