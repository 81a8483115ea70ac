"""A completed cell leaves its adapter in one move, whatever lay there before."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmark.kept.config import FORMAT, ModelFacts, slug_of, without_places
from benchmark.kept.folder import LEFT_FACTS, LEFT_TENSORS, facts_to_json, keep, read_folder_config
from registry import Component, UserError
from registry.vocabulary import ItemScore
from results.record import RunRecord
from results.store.serialise import RecordError

RECORD = RunRecord(
    hash="0123456789abcdef", slug="slug", backbone="tiny_vit", adapter="lora(rank=2)",
    task="retrieval(data='/home/me/ave')",
    seed=3, recipe={"epochs": 1}, protocol="validation", status="completed", data="ave@1", primary_metric="recall_at_1",
    scores={"recall_at_1": 50.0}, labels=["synthetic data"], environment={"python": "3.11", "versions": {"torch": "2"}},
)  # fmt: skip
ITEMS = [ItemScore("a", 1.0), ItemScore("b", 0.0), ItemScore("c", 1.0)]
FACTS = ModelFacts(
    labels=["match"], classes=[], answers=[], words=[], questions=0, words_of_a_question=0, segments=10, seconds=10.0,
    sampling="middle", window=1.0, picture={"size": 32}, precision="fp32",
)  # fmt: skip


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    save_file({"head.weight": torch.arange(4.0)}, folder / LEFT_TENSORS)
    (folder / LEFT_FACTS).write_bytes(facts_to_json(FACTS))
    return folder


def test_a_folder_says_what_it_is_and_no_place_of_this_machine(work: Path, tmp_path: Path) -> None:
    folder = keep(tmp_path, RECORD, ITEMS, work)
    assert folder == tmp_path / "adapters" / "tiny_vit-lora-retrieval-s3-01234567"
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    config = read_folder_config(folder)
    assert config.task == "retrieval(data='ave')"
    assert (config.scores, config.format, config.libraries) == (RECORD.scores, FORMAT, {"python": "3.11", "torch": "2"})
    # Student's t of two degrees of freedom, times the deviation of three items over the root of their number.
    assert config.interval == pytest.approx(100 * 4.302653 / 3)
    assert torch.equal(load_file(folder / "model.safetensors")["head.weight"], torch.arange(4.0))
    assert "/home/me" not in "".join(p.read_text() for p in folder.iterdir() if p.suffix != ".safetensors")


def test_the_card_shows_row_score_interval_labels_and_a_snippet(work: Path, tmp_path: Path) -> None:
    folder = keep(tmp_path, RECORD, ITEMS, work)
    assert folder is not None
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: av-adapter-bench\n")
    for part in (
        "`tiny_vit/lora(rank=2)/retrieval`",
        "50.00 ±",
        "ave@1",
        "**synthetic data**: Trained",
        "model.embed(",
    ):
        assert part in card
    compile(card.partition("```python\n")[2].partition("```")[0], "card", "exec")


def test_an_older_folder_a_link_and_what_a_kill_left_give_way(work: Path, tmp_path: Path) -> None:
    place = tmp_path / "adapters" / slug_of(RECORD)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").write_text("mine")
    place.parent.mkdir()
    place.symlink_to(elsewhere)
    left = place.with_name(f".{place.name}.0123")
    left.mkdir()
    (left / "config.json").write_text("half")
    other = place.with_name(".other-cell.0123")
    other.mkdir()
    keep(tmp_path, RECORD, ITEMS, work)
    assert not place.is_symlink()
    assert [path.name for path in elsewhere.iterdir()] == ["mine"]
    assert sorted(path.name for path in place.parent.iterdir()) == [".other-cell.0123", place.name]
    keep(tmp_path, replace(RECORD, scores={"recall_at_1": 25.0}), ITEMS, work)
    assert read_folder_config(place).scores == {"recall_at_1": 25.0}


def test_a_training_that_left_nothing_leaves_no_folder(tmp_path: Path) -> None:
    assert keep(tmp_path, RECORD, ITEMS, tmp_path / "nothing") is None
    assert not (tmp_path / "adapters").exists()


def test_a_record_that_may_not_be_written_leaves_no_folder(work: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="without a score"):
        keep(tmp_path, replace(RECORD, scores={"recall_at_1": float("nan")}), ITEMS, work)
    assert not (tmp_path / "adapters").exists()


def test_an_output_that_cannot_be_written_is_one_line(work: Path, tmp_path: Path) -> None:
    (tmp_path / "adapters").write_text("a file")
    with pytest.raises(UserError, match=r"cannot write .*adapters"):
        keep(tmp_path, RECORD, ITEMS, work)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("/home/me/w.pt", "w.pt"),
        ("../data/ave", "ave"),
        ("a/../b", "b"),
        ("hub", "hub"),
        ("hf-hub:timm/vit", "hf-hub:timm/vit"),
        ("hf-hub:../vit", "vit"),
        (8, 8),
        (None, None),
    ],
)
def test_options_lose_the_places_of_files(value: object, kept: object) -> None:
    assert without_places(Component("some", {"option": value})).options == {"option": kept}


def test_the_folder_that_a_command_stands_in_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "data")
    assert without_places(Component("some", {"data": "."})).options == {"data": "data"}
    assert without_places(Component("some", {"data": ".."})).options == {"data": tmp_path.name}


def test_a_configuration_is_json_that_others_can_read(work: Path, tmp_path: Path) -> None:
    folder = keep(tmp_path, RECORD, ITEMS, work)
    assert folder is not None
    config = json.loads((folder / "config.json").read_text())
    assert config["model"]["labels"] == ["match"]
    assert config["hash"] == RECORD.hash
