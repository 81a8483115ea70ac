"""One process per cell, with a training that only pretends."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fake_train
import pytest

from benchmark.grid import RunSpec
from benchmark.launch import local
from benchmark.launch.local import Outcome, Placement, launch
from benchmark.plan import Cell
from benchmark.progress import Progress
from registry import Component
from results.record import RunRecord
from results.store import Store
from tasks.recipe import Recipe


@dataclass
class Watcher:
    """Keeps what it is told."""

    starts: list[str] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)
    records: dict[str, RunRecord] = field(default_factory=dict)

    def started(self, cell: Cell) -> None:
        self.starts.append(cell.hash)

    def progressed(self, cell: Cell, progress: Progress) -> None:
        self.progress.append(progress)

    def ended(self, cell: Cell, record: RunRecord) -> None:
        self.records[cell.hash] = record


def cell(name: str, mood: str = "well", **changes: Any) -> Cell:
    adapter = Component("fake_adapter", {"mood": mood})
    parts = {"seed": 0, "recipe": Recipe(), **changes}
    return Cell(RunSpec(Component("fake_backbone"), adapter, Component("fake_task"), **parts), name, code="c0de")


@dataclass
class Launched:
    store: Store
    watcher: Watcher
    outcome: Outcome


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Launched:
    """Cells that end in every way, two at a time, in one grid."""
    moods = ("raises", "shot", "well", "mistaken", "starved", "quits", "scoreless", "well")
    cells = [cell(f"{i}-{mood}", mood, seed=i) for i, mood in enumerate(moods)]
    store, watcher = Store(tmp_path_factory.mktemp("output")), Watcher()
    plugin = str(Path(__file__).parents[1] / "fake_plugin.py")
    outcome = launch(cells, store, Placement("cpu", 2, (plugin,)), watcher, train=fake_train.train)
    return Launched(store, watcher, outcome)


def test_every_cell_ends_and_is_counted(launched: Launched) -> None:
    assert launched.outcome == Outcome(completed=2, failed=6, users_mistakes=1)
    assert len(launched.watcher.starts) == len(launched.watcher.records) == 8


def test_completed_cells_are_stored_with_items_and_code(launched: Launched) -> None:
    record = launched.store.read("2-well")
    assert record is not None
    assert (record.status, record.scores, record.code) == ("completed", {"accuracy": 52.0}, "c0de")
    assert [item.item for item in launched.store.items("2-well")] == ["a"]


@pytest.mark.parametrize(
    ("run_hash", "kind", "message"),
    [
        ("0-raises", "error", "RuntimeError: the adapter"),
        ("1-shot", "killed", "ended by SIGKILL; often the system ran out of memory"),
        ("3-mistaken", "error", "clip 7 is cut short; replace it."),
        ("4-starved", "out_of_memory", "MemoryError: out of memory"),
        ("5-quits", "error", "ended without a result, exit status 3"),
        ("6-scoreless", "error", "completed, but without a score"),
    ],
)
def test_a_cell_that_fails_becomes_a_record_that_says_why(
    launched: Launched, run_hash: str, kind: str, message: str
) -> None:
    record = launched.store.read(run_hash)
    assert record is not None
    assert record.failure is not None
    assert (record.status, record.failure.kind, record.code) == ("failed", kind, "c0de")
    assert message in record.failure.message
    assert record.started <= record.finished


def test_the_record_of_a_failure_ends_with_its_log(launched: Launched) -> None:
    record = launched.store.read("0-raises")
    assert record is not None
    assert record.failure is not None
    assert record.failure.log.endswith("RuntimeError: the adapter\nfell over")


def test_what_a_cell_prints_is_in_its_log(launched: Launched) -> None:
    for record in launched.watcher.records.values():
        log = (launched.store.output / "logs" / f"{record.slug}.log").read_text()
        assert log.startswith("pretending fake_backbone")


def test_progress_reaches_the_observer(launched: Launched) -> None:
    assert {progress.phase for progress in launched.watcher.progress} == {"train", "test"}


def test_no_marker_is_left(launched: Launched) -> None:
    assert not list((launched.store.output / "running").iterdir())


def test_long_recipes_start_first(tmp_path: Path, fakes: str) -> None:
    cells = [cell("short", recipe=Recipe(epochs=1)), cell("long", recipe=Recipe(epochs=9))]
    watcher = Watcher()
    launch(cells, Store(tmp_path), Placement("cpu", 1, (fakes,)), watcher, train=fake_train.train)
    assert watcher.starts == ["long", "short"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_the_children(tmp_path: Path, fakes: str, number: signal.Signals) -> None:
    class Interrupter(Watcher):
        def progressed(self, cell: Cell, progress: Progress) -> None:
            threading.Timer(0.1, os.kill, (os.getpid(), number)).start()

    pids: list[int] = []
    write = local.Marker.write

    def noting(marker: local.Marker, pid: int, *rest: Any) -> None:
        pids.append(pid)
        write(marker, pid, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local.Marker, "write", noting)
        before = signal.getsignal(signal.SIGTERM)
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            launch(
                [cell("a", "endless")], Store(tmp_path), Placement("cpu", 1, (fakes,)), Interrupter(), fake_train.train
            )
    assert time.monotonic() - started < 30
    assert signal.getsignal(signal.SIGTERM) is before
    assert not list((tmp_path / "running").iterdir())
    for pid in set(pids):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_threads_depend_on_jobs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "cores", lambda: 8)
    assert [Placement("cpu", jobs).threads for jobs in (1, 2, 3, 8, 20)] == [8, 4, 2, 1, 1]
