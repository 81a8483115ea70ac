"""One process per cell, with a training that only pretends."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import fake_train
import pytest
from queued_cells import cell

from benchmark.grid.cell import Cell
from benchmark.launch import placement
from benchmark.launch.launcher import Outcome
from benchmark.launch.lease import Lease
from benchmark.launch.local import launch
from benchmark.launch.placement import Placement
from benchmark.runtime.progress import Progress
from benchmark.runtime.source_digest import source_digest
from registry import UserError
from results.record import RunRecord
from results.store.store import Store


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

    def let_go(self, cell: Cell) -> None:
        self.starts.remove(cell.hash)


@dataclass
class Launched:
    store: Store
    watcher: Watcher
    outcome: Outcome


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Launched:
    """Cells that end in every way, two at a time, in one grid."""
    moods = ("raises", "shot", "well", "mistaken", "starved", "quits", "scoreless", "well", "hungry", "crashes")
    cells = [cell(f"{i}-{mood}", mood, seed=i) for i, mood in enumerate(moods)]
    store, watcher = Store(tmp_path_factory.mktemp("output")), Watcher()
    plugin = str(Path(__file__).parents[2] / "helpers" / "fake_plugin.py")
    outcome = launch(cells, store, Placement("cpu", 2, (plugin,)), watcher, train=fake_train.train)
    return Launched(store, watcher, outcome)


def test_every_cell_ends_and_is_counted(launched: Launched) -> None:
    assert launched.outcome == Outcome(completed=3, failed=7, users_mistakes=1)
    assert len(launched.watcher.starts) == len(launched.watcher.records) == 10


def test_an_output_that_cannot_be_written_ends_the_grid_and_is_no_failure_of_its_cells(tmp_path: Path) -> None:
    store, watcher = Store(tmp_path), Watcher()
    cells = [cell("0-well"), cell("1-diskless", "diskless", seed=1), cell("2-well", seed=2)]
    plugin = str(Path(__file__).parents[2] / "helpers" / "fake_plugin.py")
    with pytest.raises(UserError, match=r"cannot write .*epoch-000001.*: No space left on device"):
        launch(cells, store, Placement("cpu", 1, (plugin,)), watcher, train=fake_train.train)
    assert {record.hash: record.status for record in store.load()} == {"0-well": "completed"}


def test_completed_cells_are_stored_with_items_and_code(launched: Launched) -> None:
    record = launched.store.read("2-well")
    assert record is not None
    assert (record.status, record.scores, record.versions) == ("completed", {"accuracy": 52.0}, {"adapter": "1"})
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
        ("9-crashes", "data", "/videos/clip7.mp4: the process that decoded it died"),
    ],
)
def test_a_cell_that_fails_becomes_a_record_that_says_why(
    launched: Launched, run_hash: str, kind: str, message: str
) -> None:
    record = launched.store.read(run_hash)
    assert record is not None
    assert record.failure is not None
    assert (record.status, record.failure.kind, record.versions) == ("failed", kind, {"adapter": "1"})
    assert record.environment["sources"] == source_digest()
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
        assert log.splitlines()[0].endswith(" cell begins")
        assert log.splitlines()[1].startswith("pretending fake_backbone")


def test_progress_reaches_the_observer(launched: Launched) -> None:
    assert {progress.phase for progress in launched.watcher.progress} == {"train", "test"}


def test_no_marker_is_left(launched: Launched) -> None:
    assert not list((launched.store.output / "running").iterdir())


def test_no_lease_is_left(launched: Launched) -> None:
    assert not any(Lease(launched.store.output, run_hash).is_held() for run_hash in launched.watcher.records)


def test_out_of_memory_is_tried_once_more_with_half_the_batch(launched: Launched) -> None:
    record, starved = launched.store.read("8-hungry"), launched.store.read("4-starved")
    assert record is not None
    assert (record.status, record.environment["micro_batches"]) == ("completed", 2)
    log = (launched.store.output / "logs" / f"{record.slug}.log").read_text()
    assert log.count("pretending") == 2
    assert "out of memory; once more with batches 2 times as small" in log
    assert starved is not None
    assert (launched.store.output / "logs" / f"{starved.slug}.log").read_text().count("pretending") == 2


def test_cells_start_in_the_given_order(tmp_path: Path, fakes: str) -> None:
    cells = [cell("second"), cell("first"), cell("third")]
    watcher = Watcher()
    launch(cells, Store(tmp_path), Placement("cpu", 1, (fakes,)), watcher, train=fake_train.train)
    assert watcher.starts == ["second", "first", "third"]


def test_a_cell_whose_time_is_up_is_ended_and_the_rest_go_on(tmp_path: Path, fakes: str) -> None:
    cells, watcher = [cell("a", "endless"), cell("b")], Watcher()
    placement = Placement("cpu", 1, (fakes,), timeout=12.0)
    outcome = launch(cells, Store(tmp_path), placement, watcher, fake_train.train)
    assert outcome == Outcome(completed=1, failed=1)
    failure = watcher.records["a"].failure
    assert failure is not None
    assert (failure.kind, failure.message) == ("timeout", "it took longer than --timeout 12 seconds")
    assert "pretending" in failure.log


def test_a_cell_in_other_hands_is_waited_for_and_not_trained(tmp_path: Path, fakes: str) -> None:
    lease, store, watcher = Lease(tmp_path, "a"), Store(tmp_path), Watcher()
    assert lease.take()
    record, items = sys.modules["plugin_fake_plugin"].pretend(
        cell("a").spec, run_hash="a", device="elsewhere", report=lambda progress: None
    )

    def other_grid() -> None:
        store.write(record, items)
        lease.give_back()

    threading.Timer(2.0, other_grid).start()
    outcome = launch([cell("a"), cell("b")], store, Placement("cpu", 1, (fakes,)), watcher, fake_train.train)
    assert outcome == Outcome(completed=2)
    assert watcher.records["a"].environment["device"] == "elsewhere"
    assert watcher.starts == ["b", "a"]


def test_a_cell_that_other_hands_let_go_is_trained_here(tmp_path: Path, fakes: str) -> None:
    lease, watcher = Lease(tmp_path, "a"), Watcher()
    assert lease.take()
    threading.Timer(1.0, lease.give_back).start()
    outcome = launch([cell("a")], Store(tmp_path), Placement("cpu", 1, (fakes,)), watcher, fake_train.train)
    assert outcome == Outcome(completed=1)


def test_a_completed_cell_is_not_trained_again(tmp_path: Path, fakes: str) -> None:
    for _ in range(2):
        launch([cell("a")], Store(tmp_path), Placement("cpu", 1, (fakes,)), Watcher(), fake_train.train)
    assert (tmp_path / "logs" / f"{cell('a').spec.slug}.log").read_text().count("pretending") == 1
    before = Store(tmp_path).read("a")
    launch([cell("a")], Store(tmp_path), Placement("cpu", 1, (fakes,)), watcher := Watcher(), fake_train.train)
    assert watcher.records["a"] == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_the_children(
    tmp_path: Path, fakes: str, number: signal.Signals, request: pytest.FixtureRequest
) -> None:
    # A shell that starts the tests in the background lets them ignore Ctrl-C.
    request.addfinalizer(partial(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT)))
    signal.signal(signal.SIGINT, signal.default_int_handler)

    class Interrupter(Watcher):
        def progressed(self, cell: Cell, progress: Progress) -> None:
            threading.Timer(0.1, os.kill, (os.getpid(), number)).start()

    before = signal.getsignal(signal.SIGTERM)
    started, watcher = time.monotonic(), Interrupter()
    with pytest.raises(KeyboardInterrupt):
        launch([cell("a", "endless")], Store(tmp_path), Placement("cpu", 1, (fakes,)), watcher, fake_train.train)
    assert time.monotonic() - started < 30
    assert signal.getsignal(signal.SIGTERM) is before
    assert not Lease(tmp_path, "a").is_held()
    pid = json.loads((tmp_path / "running" / "a.json").read_text())["pid"]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_threads_depend_on_jobs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "cores", lambda: 8)
    assert [Placement("cpu", jobs).threads for jobs in (1, 2, 3, 8, 20)] == [8, 4, 2, 1, 1]
