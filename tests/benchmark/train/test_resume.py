"""A run that is cut off anywhere and started again gives the numbers of one that was not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from training_cells import numbers, run, spec
from training_fakes import registered

from benchmark.grid.spec import RunSpec
from benchmark.train.checkpoint import KEPT, Checkpoints, load
from benchmark.train.resume import micro_batches_of
from benchmark.train.train import train
from registry import Component
from registry.vocabulary import ItemScore
from results.record import RunRecord


@pytest.fixture(autouse=True, scope="module")
def _fakes() -> Iterator[None]:
    with registered():
        yield


class CutError(Exception):
    pass


def cut_off(cell, folder: Path, phase: str, epoch: int, **options) -> None:
    """Run a cell until it reports this phase of this epoch, and lose everything that is not on disk."""

    def report(progress) -> None:
        if (progress.phase, progress.epoch) == (phase, epoch):
            raise CutError

    with pytest.raises(CutError):
        train(cell, run_hash="0123", device="cpu", report=report, work_dir=folder, workers=0, **options)


def same(first: RunRecord, second: RunRecord) -> bool:
    a, b = numbers(first), numbers(second)
    a["environment"].pop("resumed_after_epochs", None)
    b["environment"].pop("resumed_after_epochs", None)
    return a == b


@pytest.fixture(scope="module")
def plain() -> tuple[RunRecord, list[ItemScore]]:
    """The plain cell, never cut off."""
    return run(spec())


RECIPES = {
    "plain": {},
    "pending gradients": {"accumulate": 4},
    "early stopping": {"epochs": 12, "adapter_lr": 0.0, "head_lr": 0.0, "patience": 3},
    "no warm-up": {"warmup_epochs": 0.0, "optimizer": "adamw", "weight_decay": 0.1, "clip_norm": 0.5},
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES.keys())
def test_resumed_is_unbroken_bit_for_bit(tmp_path: Path, recipe: dict) -> None:
    cell = spec(**recipe)
    unbroken, unbroken_items = run(cell, work_dir=tmp_path / "unbroken")
    # With patience it stops before the fourth epoch is tested.
    last = [] if "patience" in recipe else [("test", 4)]
    for phase, epoch in [("train", 3), *last] if recipe else [("train", 1), ("train", 3), ("validate", 3), *last]:
        cut = tmp_path / f"{phase} {epoch}"
        cut_off(cell, cut, phase, epoch)
        torch.randn(7)
        resumed, items = run(cell, work_dir=cut)
        assert same(resumed, unbroken), cut.name
        assert items == unbroken_items, cut.name
        after = [] if epoch == 1 else [epoch - (phase != "test")]
        assert resumed.environment.get("resumed_after_epochs", []) == after
        best, best_unbroken = (load(folder / "best.safetensors")[0] for folder in (cut, tmp_path / "unbroken"))
        assert all(torch.equal(best[name], value) for name, value in best_unbroken.items()), cut.name


def test_the_scale_of_a_loss_in_float16_is_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Refused to users, since it is slow there; what is resumed is the same as on a GPU.
    monkeypatch.setattr("benchmark.train.train.check_precision", lambda precision, device: None)
    cell = spec(precision="fp16")
    cut_off(cell, tmp_path / "cut", "train", 3)
    newest = max((tmp_path / "cut").glob("epoch-*"))
    assert json.loads(load(newest)[1]["facts"])["loss_scale"]["scale"] > 1
    resumed, _ = run(cell, work_dir=tmp_path / "cut")
    assert same(resumed, run(cell)[0])


def test_two_backbones_resume_bit_for_bit(tmp_path: Path) -> None:
    parts = ("towers(audio='tiny_vit', visual='tiny_swin')", "dg_sct(latents=2, projection='full')", "fake_task")
    cell = RunSpec(*map(Component.parse, parts), seed=0, recipe=spec(epochs=2).recipe)
    unbroken, unbroken_items = run(cell, work_dir=tmp_path / "unbroken")
    cut_off(cell, tmp_path / "cut", "train", 2)
    resumed, items = run(cell, work_dir=tmp_path / "cut")
    assert same(resumed, unbroken)
    assert items == unbroken_items
    assert resumed.environment["resumed_after_epochs"] == [1]
    assert resumed.labels == ["synthetic data", "two backbones"]
    assert sorted(resumed.weights) == ["audio: tiny_vit.safetensors", "visual: tiny_swin.safetensors"]


def test_cut_off_twice(tmp_path: Path, plain) -> None:
    cut_off(spec(), tmp_path / "cut", "train", 2)
    cut_off(spec(), tmp_path / "cut", "validate", 4)
    resumed, _ = run(spec(), work_dir=tmp_path / "cut")
    assert same(resumed, plain[0])
    assert resumed.environment["resumed_after_epochs"] == [1, 3]
    assert resumed.train_seconds >= sum(epoch["seconds"] for epoch in resumed.history)


def test_two_checkpoints_are_kept_and_they_are_small(tmp_path: Path) -> None:
    cut_off(spec(), tmp_path, "test", 4)
    kept = sorted(tmp_path.glob("epoch-*"))
    assert [path.stem for path in kept] == ["epoch-000003", "epoch-000004"]
    assert len(kept) == KEPT
    assert not any("backbone" in name for path in kept for name in load(path)[0])


@pytest.mark.parametrize("damage", ["cut short", "changed byte", "empty", "a pickle"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path: Path, damage: str, caplog, plain) -> None:
    cut_off(spec(), tmp_path, "train", 4)
    newest = max(tmp_path.glob("epoch-*"))
    content = newest.read_bytes()
    newest.write_bytes(
        {
            "cut short": content[: len(content) // 2],
            "changed byte": content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
            "empty": b"",
            "a pickle": b"\x80\x04K\x01.",
        }[damage]
    )
    resumed, _ = run(spec(), work_dir=tmp_path)
    assert "epoch-000003.safetensors is damaged" in caplog.text
    assert resumed.environment["resumed_after_epochs"] == [2]
    assert same(resumed, plain[0])


def test_without_a_whole_checkpoint_a_run_begins_anew(tmp_path: Path, plain) -> None:
    cut_off(spec(), tmp_path, "train", 4)
    for path in tmp_path.glob("epoch-*"):
        path.write_bytes(b"?")
    resumed, _ = run(spec(), work_dir=tmp_path)
    assert numbers(resumed) == numbers(plain[0])


def test_pieces_keep_the_effective_batch_and_are_told(tmp_path: Path, plain) -> None:
    whole, _ = plain
    halved, _ = run(spec(), micro_batches=2, work_dir=tmp_path)
    assert halved.environment["batch"] == {"batch_size": 4, "accumulate": 2}
    assert halved.recipe == whole.recipe
    assert "batch" not in whole.environment
    # 72 clips are nine whole batches: as many steps, of the same clips; only batch norm sees half of them at a time.
    assert halved.history[0]["train_loss"] == pytest.approx(whole.history[0]["train_loss"], rel=0.2)
    assert micro_batches_of(Checkpoints(tmp_path)) == 2


def test_a_checkpoint_of_other_pieces_is_not_taken_up(tmp_path: Path) -> None:
    cut_off(spec(), tmp_path, "train", 3)
    halved, _ = run(spec(), micro_batches=2, work_dir=tmp_path)
    assert "resumed_after_epochs" not in halved.environment
    assert same(halved, run(spec(), micro_batches=2)[0])
