from __future__ import annotations

import dataclasses
import logging

import pytest
import torch
from mmengine.logging import MessageHub, MMLogger
from training_cells import RECIPE, numbers, run, spec
from training_fakes import FakeHead, registered

from benchmark.train.checkpoint import load
from benchmark.train.failures import NonFiniteLossError
from benchmark.train.train import train
from registry.errors import UserError


@pytest.fixture(autouse=True, scope="module")
def _fakes():
    with registered():
        yield


def test_a_learnable_task_is_learnt_and_told():
    record, items = run(spec(epochs=8))
    assert record.status == "completed"
    assert record.hash == "0123"
    assert record.scores["accuracy"] >= 80.0
    assert record.scores["accuracy"] == pytest.approx(100 * sum(i.score for i in items) / len(items))
    assert [i.item for i in items] == [f"clip{i}" for i in range(20)]
    assert record.history[-1]["train_loss"] < record.history[0]["train_loss"] / 2
    assert [epoch["epoch"] for epoch in record.history] == list(range(1, 9))
    assert record.labels == ["synthetic data", "random weights"]
    assert record.data == "synthetic@fake"
    assert record.environment["workers"] == 0
    assert "workers" not in record.recipe


def test_costs_are_measured():
    record, _ = run(spec())
    assert record.peak_memory_mb > 50
    assert 0 < record.ms_per_clip < 1000
    assert sum(epoch["seconds"] for epoch in record.history) <= record.train_seconds
    assert record.gflops > 0
    assert record.parameters.idle == 3
    assert 0 < record.train_ms_per_clip < 1000
    assert 50 < record.single.peak_memory_mb < 100_000
    assert 0 < record.single.inference_ms < record.single.train_ms < 1000


def test_the_bytes_of_the_checkpoint_are_those_of_the_file(tmp_path):
    record, _ = run(spec(), work_dir=tmp_path)
    # The file also holds the epoch and the validation score as text.
    assert 0 <= (tmp_path / "best.safetensors").stat().st_size - record.checkpoint_bytes < 200


def test_a_part_that_cannot_work_with_one_clip_loses_no_run(monkeypatch, caplog):
    ask = FakeHead.loss

    def refuse(self, outputs, targets):
        if len(targets["label"]) < 2:
            raise ValueError("needs two clips")
        return ask(self, outputs, targets)

    monkeypatch.setattr(FakeHead, "loss", refuse)
    with caplog.at_level(logging.WARNING, logger="benchmark"):
        record, _ = run(spec())
    assert record.status == "completed"
    assert record.single is None
    assert "needs two clips" in caplog.text
    assert record.environment["threads"] == torch.get_num_threads()


def test_the_same_seed_gives_the_same_numbers_whatever_ran_before():
    first, first_items = run(spec(seed=1))
    run(spec(seed=2))
    torch.randn(5)
    again, again_items = run(spec(seed=1))
    assert numbers(first) == numbers(again)
    assert first_items == again_items


def test_seeds_differ():
    assert numbers(run(spec(seed=1))[0])["history"] != numbers(run(spec(seed=2))[0])["history"]


def test_the_selected_state_is_the_one_tested(tmp_path):
    record, _ = run(spec(epochs=6), work_dir=tmp_path)
    best = max(record.history, key=lambda epoch: epoch["accuracy"])
    assert record.best_epoch == best["epoch"]
    assert record.validation["accuracy"] == best["accuracy"]
    state, facts = load(tmp_path / "best.safetensors")
    assert facts["epoch"] == str(record.best_epoch)
    assert not any("backbone" in name for name in state)
    assert any("running_mean" in name for name in state)


def test_protocol_paper_selects_on_test():
    record, _ = run(dataclasses.replace(spec(), protocol="paper"))
    assert record.scores == record.validation
    assert record.protocol == "paper"


def test_bf16_learns_as_well():
    record, _ = run(spec(epochs=8, precision="bf16"))
    assert record.scores["accuracy"] >= 80.0


def test_checkpointing_leaves_the_course_as_it_is():
    plain, again = (numbers(run(spec(checkpointing=choice))[0]) for choice in ("none", "blocks"))
    assert again["recipe"].pop("checkpointing") == "blocks"
    assert plain["recipe"].pop("checkpointing") == "none"
    assert plain.pop("slug") != again.pop("slug")
    assert again == plain


def test_accumulation_and_clipping_change_the_course():
    plain = numbers(run(spec(epochs=1))[0])["history"]
    assert numbers(run(spec(epochs=1, accumulate=3))[0])["history"] != plain
    assert numbers(run(spec(epochs=1, clip_norm=1e-3))[0])["history"] != plain


def test_patience_stops_early():
    record, _ = run(spec(epochs=30, adapter_lr=0.0, head_lr=0.0, patience=2))
    assert len(record.history) == record.best_epoch + 2 < 30


def test_a_lost_loss_stops_the_run():
    with pytest.raises(NonFiniteLossError, match="epoch 1"):
        run(spec(task="fake_task(poison=True)"))


def test_missing_data_is_told():
    with pytest.raises(UserError, match="no clips"):
        run(spec(task="fake_task(data='missing')"))


def test_progress_reaches_the_launcher_in_order():
    told = []
    train(spec(), run_hash="", device="cpu", report=told.append)
    assert told[0].phase == "build"
    assert told[-1].phase == "test"
    assert {p.phase for p in told} == {"build", "train", "validate", "test"}
    assert [p.fraction for p in told] == sorted(p.fraction for p in told)
    assert max(p.epoch for p in told) == told[0].epochs == RECIPE.epochs
    assert told[-1].score == pytest.approx(max(p.score for p in told if p.score is not None))


def test_nothing_is_printed_and_nothing_global_stays(capfd, caplog):
    before = len(MMLogger._instance_dict), len(MessageHub._instance_dict)
    with caplog.at_level(logging.INFO, logger="benchmark"):
        run(spec())
    printed = capfd.readouterr()
    assert printed.out + printed.err == ""
    assert sum("epoch" in line for line in caplog.messages) == RECIPE.epochs
    assert (len(MMLogger._instance_dict), len(MessageHub._instance_dict)) == before
