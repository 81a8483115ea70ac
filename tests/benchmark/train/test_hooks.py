from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from benchmark.train.failures import NonFiniteLossError
from benchmark.train.hooks import BestState, History, InferenceClock, Reporter


def runner(epoch: int = 0, weight: float = 0.0) -> SimpleNamespace:
    """What the hooks use of mmengine's Runner."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, weight)
    loop = SimpleNamespace(stop_training=False)
    return SimpleNamespace(epoch=epoch, model=model, train_loop=loop, train_dataloader=[0] * 5, val_dataloader=[0])


def select(scores: list[float], patience: int = 0) -> tuple[BestState, list[bool]]:
    best, stopped = BestState("accuracy", patience), []
    for epoch, score in enumerate(scores, start=1):
        at = runner(epoch, weight=epoch)
        best.after_val_epoch(at, {"accuracy": score, "other": 1.0})
        stopped.append(at.train_loop.stop_training)
    return best, stopped


@pytest.mark.parametrize(
    ("scores", "epoch"),
    [([1.0, 3.0, 2.0], 2), ([3.0, 3.0], 1), ([math.nan, 1.0, math.nan], 2), ([math.nan, math.nan], 1)],
)
def test_the_earliest_best_state_is_kept(scores, epoch):
    best, _ = select(scores)
    assert best.epoch == epoch
    assert best.state["weight"].item() == epoch
    assert best.scores["other"] == 1.0


def test_patience_counts_epochs_without_a_better_score():
    assert select([1.0, 2.0, 1.0, 2.0, 1.0], patience=2)[1] == [False, False, False, True, True]
    assert not any(select([1.0, 0.0, 0.0, 0.0])[1])


def reporter(told: list, interval: float) -> Reporter:
    return Reporter(told.append, "cell", epochs=2, interval=interval)


def test_reports_are_throttled_and_carry_the_latest():
    told: list = []
    story = History(reporter(told, interval=1000.0), "accuracy")
    story.before_train_epoch(runner())
    for step in range(5):
        story.after_train_iter(runner(), step, outputs={"loss": torch.tensor(float(step))})
    story.after_train_epoch(runner())
    story.before_val_epoch(runner(epoch=1))
    story.after_val_epoch(runner(epoch=1), {"accuracy": 40.0})
    assert [p.phase for p in told] == ["train", "validate", "validate"]
    assert told[-1].score == 40.0
    assert story.history[0]["train_loss"] == 2.0
    assert story.history[0]["accuracy"] == 40.0


def test_steps_are_told_when_due():
    told: list = []
    story = History(reporter(told, interval=0.0), "accuracy")
    story.before_train_epoch(runner())
    for step in range(3):
        story.after_train_iter(runner(), step, outputs={"loss": torch.tensor(float(step))})
    assert [(p.step, p.steps, p.loss) for p in told] == [(0, 5, None), (1, 5, 0.0), (2, 5, 0.5), (3, 5, 1.0)]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_one_lost_loss_is_found_at_the_epochs_end_at_the_latest(bad):
    story = History(reporter([], interval=1000.0), "accuracy")
    story.before_train_epoch(runner())
    for loss in (1.0, bad, 1.0):
        story.after_train_iter(runner(), 0, outputs={"loss": torch.tensor(loss)})
    with pytest.raises(NonFiniteLossError, match="epoch 1"):
        story.after_train_epoch(runner())


def test_the_clock_takes_full_batches(monkeypatch):
    now = iter([0.0, 1.0, 10.0, 13.0, 20.0, 22.0, 30.0, 39.0])
    monkeypatch.setattr("benchmark.train.hooks.time.perf_counter", lambda: next(now))
    clock = InferenceClock(batch_size=2)
    assert clock.ms_per_clip is None
    for clips in (2, 2, 2, 1):
        clock.before_test_iter(runner(), 0)
        clock.after_test_iter(runner(), 0, outputs=[{}] * clips)
    assert clock.ms_per_clip == 1000.0


def test_the_clock_takes_what_there_is():
    clock = InferenceClock(batch_size=8)
    clock.before_test_iter(runner(), 0)
    clock.after_test_iter(runner(), 0, outputs=[{}] * 3)
    assert clock.ms_per_clip > 0
