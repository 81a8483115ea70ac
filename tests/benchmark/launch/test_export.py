from __future__ import annotations

import sys
import types

import pytest
from mmengine.logging import MMLogger

from benchmark.launch import export as exporting
from benchmark.launch.export import Exporter, export
from results.record import Failure, Parameters, RunRecord

RECORD = RunRecord(
    hash="ab",
    slug="vit-lavish-avqa-s0-1234",
    backbone="vit",
    adapter="lavish",
    task="avqa",
    seed=0,
    recipe={"epochs": 2},
    protocol="validation",
    status="completed",
    history=[
        {"epoch": 1, "train_loss": 2.0, "seconds": 1.5, "accuracy": 40.0},
        {"epoch": 2, "train_loss": 1.0, "seconds": 1.5, "accuracy": 50.0},
    ],
    best_epoch=2,
    scores={"accuracy": 48.0},
    parameters=Parameters(100, 10, 5),
    peak_memory_mb=300.0,
)


class Calls:
    """An observer and a back end that remember."""

    def __init__(self) -> None:
        self.ended_cells: list[object] = []
        self.warnings: list[str] = []

    def started(self, cell) -> None: ...
    def progressed(self, cell, progress) -> None: ...
    def ended(self, cell, record) -> None:
        self.ended_cells.append(cell)


def test_tensorboard_gets_the_curves_and_the_outcome(tmp_path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    export(RECORD, "tensorboard", tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard" / RECORD.slug)).Reload()
    assert [(e.step, e.value) for e in events.Scalars("train/loss")] == [(1, 2.0), (2, 1.0)]
    assert [(e.step, e.value) for e in events.Scalars("validation/accuracy")] == [(1, 40.0), (2, 50.0)]
    assert [(e.step, e.value) for e in events.Scalars("test/accuracy")] == [(2, 48.0)]
    assert events.Scalars("cost/trainable_parameters")[0].value == 15
    assert b"lavish" in events.Tensors("config/text_summary")[0].tensor_proto.string_val[0]


def test_weights_and_biases_gets_the_same_and_no_source_file(tmp_path, monkeypatch) -> None:
    asked, logged = {}, []
    fake = types.SimpleNamespace(
        init=lambda **words: asked.update(words),
        log=lambda values, **words: logged.append(values),
        join=lambda: None,
        finish=lambda: None,
    )
    monkeypatch.setitem(sys.modules, "wandb", fake)
    export(RECORD, "wandb", tmp_path)
    assert (asked["name"], asked["config"]["recipe"]) == (RECORD.slug, {"epochs": 2})
    assert logged[0] == {"epoch": 1, "train/loss": 2.0, "train/seconds": 1.5, "validation/accuracy": 40.0}
    assert logged[-1]["test/accuracy"] == 48.0
    assert not hasattr(fake, "run")


def test_a_back_end_that_fails_loses_no_run(tmp_path, monkeypatch) -> None:
    def refuse(*words) -> None:
        raise ConnectionError("no network\nhere")

    monkeypatch.setattr(exporting, "export", refuse)
    calls = Calls()
    Exporter(calls, "wandb", tmp_path, calls.warnings.append).ended("cell", RECORD)
    assert calls.ended_cells == ["cell"]
    assert calls.warnings == [f"{RECORD.slug} was not logged to wandb: no network here"]


def test_a_failed_run_is_logged_too(tmp_path) -> None:
    failed = RunRecord(
        **{**vars(RECORD), "status": "failed", "scores": {}, "history": [], "failure": Failure("e", "m")}
    )
    export(failed, "tensorboard", tmp_path)
    assert (tmp_path / "tensorboard" / RECORD.slug).is_dir()


@pytest.fixture(autouse=True)
def _quiet():
    before = dict(MMLogger._instance_dict)
    yield
    MMLogger._instance_dict.clear()
    MMLogger._instance_dict.update(before)
