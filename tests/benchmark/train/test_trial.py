"""Trials of a search: trained by halves, scored on validation, blind to the test split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from training_cells import run, spec
from training_fakes import FakeTask, registered

from benchmark.train.trial import PROTOCOL, train_trial
from registry import TASKS, UserError
from results.record import RunRecord


@pytest.fixture(autouse=True, scope="module")
def _fakes() -> Iterator[None]:
    with registered():
        yield


class UnreadableTestTask(FakeTask):
    """Whoever asks for its test split is caught."""

    def dataset(self, split):
        if split == "test":
            raise AssertionError("the test split was read")
        return super().dataset(split)


def trial(cell, until: int, folder: Path | None = None, **options) -> RunRecord:
    facts = {"run_hash": "0123", "device": "cpu", "report": lambda progress: None, "workers": 0}
    record, items = train_trial(cell, until=until, work_dir=folder, **{**facts, **options})
    assert list(items) == []
    return record


def scores(record: RunRecord) -> list[float]:
    return [epoch["accuracy"] for epoch in record.history]


@pytest.mark.parametrize("recipe", [{}, {"average_from": 2, "average_to": 4}])
def test_a_trial_never_reads_the_test_split(tmp_path: Path, recipe: dict) -> None:
    TASKS.register_module(name="unreadable_test", module=UnreadableTestTask)
    try:
        cell = spec(task="unreadable_test", **recipe)
        with pytest.raises(AssertionError, match="test split was read"):
            run(cell)
        record = trial(cell, 4, tmp_path)
    finally:
        TASKS.module_dict.pop("unreadable_test")
    assert record.scores == record.validation
    assert record.protocol == PROTOCOL
    assert record.labels == ["scored on validation"]


def test_a_cell_that_selects_on_test_is_no_trial() -> None:
    with pytest.raises(UserError, match="validation alone"):
        trial(replace(spec(), protocol="paper"), 1)


def test_a_trial_has_the_precisions_of_its_cell() -> None:
    with pytest.raises(UserError, match="precision fp16 is for GPUs"):
        trial(spec(precision="fp16"), 1)


def test_a_trial_in_steps_is_the_cell_itself(tmp_path: Path) -> None:
    cell = spec()
    whole, _ = run(cell)
    steps = [trial(cell, until, tmp_path) for until in (1, 3, 4)]
    assert [len(step.history) for step in steps] == [1, 3, 4]
    assert scores(steps[-1]) == scores(whole)
    assert steps[-1].validation == whole.validation
    assert steps[-1].best_epoch == whole.best_epoch


def test_a_trial_that_averages_is_scored_as_its_cell(tmp_path: Path) -> None:
    cell = spec(average_from=2, average_to=4)
    whole, _ = run(cell)
    trial(cell, 3, tmp_path)
    last = trial(cell, 4, tmp_path)
    assert last.best_epoch is None
    assert last.validation == whole.validation


def test_a_step_that_was_cut_off_before_its_record_trains_no_further(tmp_path: Path) -> None:
    cell = spec()
    first = trial(cell, 2, tmp_path)
    again = trial(cell, 2, tmp_path)
    assert scores(again) == scores(first)
    assert len(again.history) == 2


def test_a_later_checkpoint_tells_an_earlier_rung_nothing(tmp_path: Path) -> None:
    cell = spec()
    first = trial(cell, 1, tmp_path)
    trial(cell, 4, tmp_path)
    assert trial(cell, 1, tmp_path).validation == first.validation
