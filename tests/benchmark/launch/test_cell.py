"""A cell from its lease to its record leaves its trained adapter, whatever happens on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from training_cells import numbers, spec
from training_fakes import registered

from benchmark.grid.resolve import resolve
from benchmark.kept.folder import read_folder_config
from benchmark.launch import cell as module
from benchmark.launch.cell import run_cell
from benchmark.launch.job import Job
from benchmark.train.checkpoint import load
from results.record import RunRecord
from results.store.files import OutputError
from results.store.store import Store


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    monkeypatch.setattr(module, "_print_to", lambda log: None)
    with registered():
        (cell,) = resolve([spec()])
        yield Job(cell, tmp_path / "out", "cpu", threads=1, workers=0)


def adapters(job: Job) -> list[str]:
    folder = job.output / "adapters"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def completed(job: Job) -> RunRecord:
    record = run_cell(job).record
    assert record is not None
    assert record.status == "completed", record.failure
    return record


def test_a_completed_cell_leaves_its_adapter_and_nothing_else(job: Job) -> None:
    record = completed(job)
    assert adapters(job) == [f"fake_backbone-fake_adapter-fake_task-s0-{job.cell.hash[:8]}"]
    config = read_folder_config(job.output / "adapters" / adapters(job)[0])
    assert (config.hash, config.scores, config.versions) == (record.hash, record.scores, record.versions)
    assert config.model.frozen_sha256
    assert not job.checkpoints.exists()


def test_an_adapter_that_is_discarded_changes_no_number(job: Job, tmp_path: Path) -> None:
    kept = completed(job)
    other = Job(job.cell, tmp_path / "other", "cpu", threads=1, workers=0, discard_adapter=True)
    assert numbers(completed(other)) == numbers(kept)
    assert adapters(other) == []


@pytest.mark.parametrize("when", ["before the folder", "between folder and record"])
def test_a_kill_at_the_end_is_mended_by_the_next_run(job: Job, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    def cut(*words: object, **facts: object) -> None:
        raise OutputError("cut")

    with monkeypatch.context() as patch:
        patch.setattr(*((module, "keep") if when.startswith("before") else (Store, "write")), cut)
        with pytest.raises(OutputError):
            run_cell(job)
    assert not Store(job.output).completed(job.cell.hash)
    assert len(adapters(job)) == (0 if when.startswith("before") else 1)
    record = completed(job)
    config = read_folder_config(job.output / "adapters" / adapters(job)[0])
    assert config.scores == record.scores
    assert len(adapters(job)) == 1


def test_what_is_kept_is_what_was_scored_an_average_of_epochs_too(tmp_path: Path) -> None:
    from benchmark.train.train import train

    with registered():
        for name, recipe in (("best", {}), ("average", {"average_from": 2, "average_to": 4})):
            train(
                spec(**recipe), run_hash="01", device="cpu", report=lambda progress: None, work_dir=tmp_path / name,
                workers=0,
            )  # fmt: skip
        best, average = (load(tmp_path / name / "best.safetensors") for name in ("best", "average"))
    assert best[1]["epoch"] != "None"
    assert average[1]["epoch"] == "None"
    assert any(not (best[0][name] == value).all() for name, value in average[0].items())
    assert json.loads((tmp_path / "average" / "model.json").read_text())["segments"] == 2


def test_a_cell_that_was_done_before_has_no_folder_and_is_left_so(job: Job) -> None:
    other = Job(job.cell, job.output, "cpu", threads=1, workers=0, discard_adapter=True)
    completed(other)
    completed(job)
    assert adapters(job) == []
