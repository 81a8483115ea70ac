"""A name is a folder, a row or a repository, and what it is not is told in one line."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from kept_cells import Kept

import benchmark
from benchmark.__main__ import main
from registry import UserError
from results.store.store import Store


def test_a_row_is_found_by_its_name(kept: dict[str, Kept]) -> None:
    output = kept["retrieval"].output
    model = benchmark.load("tiny_vit/lora", output=output)
    assert model.config.hash == kept["retrieval"].record.hash
    with pytest.raises(UserError, match="has no seed 3; it has 0"):
        benchmark.load("tiny_vit/lora", output=output, seed=3)
    with pytest.raises(UserError, match="no row with a score is called 'tiny_vit/lavish'"):
        benchmark.load("tiny_vit/lavish", output=output)
    with pytest.raises(UserError, match="there is no folder"):
        benchmark.load("tiny_vit/lora", output=output / "nowhere")
    with pytest.raises(UserError, match="there is no trained model 'nothing'"):
        benchmark.load("nothing")
    with pytest.raises(UserError, match="is a folder; output and seed are for rows"):
        benchmark.load(kept["retrieval"].folder, seed=0)


def test_a_row_is_published_by_its_name(kept: dict[str, Kept], capsys: pytest.CaptureFixture[str]) -> None:
    row, output = "tiny_vit/lora/retrieval", str(kept["retrieval"].output)
    assert main(["push", row, "me/lora", "--runs", output, "--seed", "0", "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("would push to https://huggingface.co/me/lora (private):\n  config.json")
    assert main(["push", row, "me/lora", "--runs", output, "--seed", "3", "--dry-run"]) == 2
    assert "has no seed 3; it has 0" in capsys.readouterr().err


def test_a_row_without_its_folder_says_how_to_get_one(kept: dict[str, Kept], tmp_path: Path) -> None:
    shutil.copytree(kept["retrieval"].output / "records", tmp_path / "records")
    with pytest.raises(UserError, match=r"was not kept: .* is not there; train the cell again"):
        benchmark.load("tiny_vit/lora", output=tmp_path)


def test_a_repository_of_the_hub_is_fetched(kept: dict[str, Kept], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def pull(repository: str) -> Path:
        asked.append(repository)
        return kept["retrieval"].folder

    monkeypatch.setattr("benchmark.use.find.import_module", lambda name: SimpleNamespace(pull=pull))
    assert benchmark.load("somebody/adapter").config.hash == kept["retrieval"].record.hash
    assert asked == ["somebody/adapter"]


def test_a_row_of_several_tasks_asks_for_one(kept: dict[str, Kept], tmp_path: Path) -> None:
    store = Store(tmp_path)
    for task in ("retrieval", "avqa"):
        store.write(replace(kept[task].record, adapter="lora(rank=2)"), kept[task].items)
    with pytest.raises(UserError, match=r"was run on several tasks; add one of them as /task: avqa, retrieval"):
        benchmark.load("tiny_vit/lora", output=tmp_path)
