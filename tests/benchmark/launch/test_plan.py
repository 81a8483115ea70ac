"""The last plan, what runs now, and where each cell stands."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.grid.cell import Cell
from benchmark.grid.spec import RunSpec
from benchmark.launch.lease import Lease
from benchmark.launch.plan import Marker, Plan, read_plan, seconds_left, standing, write_plan
from benchmark.runtime.progress import Progress
from registry import Component, UserError
from results.record import Failure, RunRecord
from results.store.store import Store
from tasks.recipe import Recipe

SPEC = RunSpec(Component("b"), Component("a"), Component("t"), 0, Recipe())
CELL = Cell(SPEC, "abc", {"adapter": "1"})


def record(**changes: object) -> RunRecord:
    asked = {**SPEC.as_dict(), "hash": "abc", "slug": SPEC.slug}
    return RunRecord(**{**asked, **changes})  # type: ignore[arg-type]


def test_a_plan_is_read_back(tmp_path: Path) -> None:
    plan = Plan((CELL, replace(CELL, hash="def", features="f")), {"abc": 2.5}, jobs=3)
    write_plan(tmp_path, plan)
    assert read_plan(tmp_path) == plan


def test_without_a_file_there_is_no_plan(tmp_path: Path) -> None:
    assert read_plan(tmp_path) is None


@pytest.mark.parametrize("content", ["{", "[]", '{"cells": [{"hash": "x"}]}', '{"jobs": 1, "work": {}, "cells": [3]}'])
def test_an_unreadable_plan_is_told_and_never_taken_for_an_empty_one(tmp_path: Path, content: str) -> None:
    (tmp_path / "plan.json").write_text(content)
    with pytest.raises(UserError, match=r"plan\.json is not a readable plan .*; run the grid again"):
        read_plan(tmp_path)


class TestStanding:
    def test_waiting(self, tmp_path: Path) -> None:
        assert standing(Store(tmp_path), CELL) == ("waiting", "")

    def test_done(self, tmp_path: Path) -> None:
        Store(tmp_path).write(record(status="completed", primary_metric="accuracy", scores={"accuracy": 51.23}))
        assert standing(Store(tmp_path), CELL) == ("done", "accuracy 51.2")

    def test_failed(self, tmp_path: Path) -> None:
        Store(tmp_path).write(record(status="failed", failure=Failure("data", "clip 7 is cut short")))
        assert standing(Store(tmp_path), CELL) == ("failed", "data: clip 7 is cut short")

    def test_running_even_where_it_failed_before(self, tmp_path: Path) -> None:
        Store(tmp_path).write(record(status="failed", failure=Failure("data", "clip 7 is cut short")))
        lease = Lease(tmp_path, "abc")
        assert lease.take()
        Marker(tmp_path, "abc").write(os.getpid(), Progress("x", "train", 2, 4))
        assert standing(Store(tmp_path), CELL) == ("running", f"train, epoch 2 of 4 on {socket.gethostname()}")
        lease.give_back()

    def test_an_unreadable_record_waits_and_says_so(self, tmp_path: Path) -> None:
        Store(tmp_path).prepare()
        (tmp_path / "records" / "abc.json").write_text("{")
        at, note = standing(Store(tmp_path), CELL)
        assert at == "waiting"
        assert "abc.json" in note


class TestMarker:
    def test_comes_and_goes(self, tmp_path: Path) -> None:
        marker, lease = Marker(tmp_path, "abc"), Lease(tmp_path, "abc")
        assert marker.read() is None
        assert lease.take()
        assert marker.read() == ("starting", 0.0)
        marker.write(os.getpid(), Progress("x", "train", 2, 4))
        assert marker.read() == (f"train, epoch 2 of 4 on {socket.gethostname()}", 0.25)
        marker.remove()
        marker.remove()
        lease.give_back()
        assert marker.read() is None

    def test_a_marker_that_a_killed_process_left_does_not_run(self, tmp_path: Path) -> None:
        script = (
            "import os, sys; from pathlib import Path; from benchmark.launch.plan import Marker;"
            "from benchmark.launch.lease import Lease; lease = Lease(Path(sys.argv[1]), 'abc'); lease.take();"
            "Marker(Path(sys.argv[1]), 'abc').write(os.getpid()); print('ready', flush=True); sys.stdin.read()"
        )
        held = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert held.stdout is not None
        held.stdout.readline()
        assert Marker(tmp_path, "abc").read() == (f"starting on {socket.gethostname()}", 0.0)
        held.kill()
        held.wait()
        assert Marker(tmp_path, "abc").read() is None


def test_time_left_is_judged_by_what_is_done(tmp_path: Path) -> None:
    store = Store(tmp_path)
    cells = tuple(replace(CELL, hash=name) for name in ("done", "a", "b", "c"))
    plan = Plan(cells, {"done": 1.0, "a": 2.0, "b": 2.0, "c": 1.0}, jobs=2)
    assert seconds_left(plan, store) is None
    scores = {"accuracy": 50.0}
    store.write(record(hash="done", status="completed", primary_metric="accuracy", scores=scores, train_seconds=10.0))
    assert seconds_left(plan, store) == 25.0
    lease = Lease(tmp_path, "a")
    assert lease.take()
    Marker(tmp_path, "a").write(os.getpid(), Progress("x", "train", 3, 4))
    assert seconds_left(plan, store) == 20.0
    lease.give_back()


def test_cells_on_frozen_features_say_nothing_of_those_that_train_the_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Probes take a tenth of the time for as many operations: each kind is judged by its own."""
    monkeypatch.delenv("AVBENCH_PREPARED", raising=False)
    store = Store(tmp_path)
    probes = tuple(replace(CELL, hash=f"probe{number}", features="f") for number in (0, 1))
    adapters = tuple(replace(CELL, hash=f"adapter{number}") for number in (0, 1))
    plan = Plan((*probes, *adapters), dict.fromkeys(("probe0", "probe1", "adapter0", "adapter1"), 2.0))
    done = {"status": "completed", "primary_metric": "accuracy", "scores": {"accuracy": 50.0}}
    store.write(record(hash="probe0", train_seconds=2.0, **done))
    assert seconds_left(plan, store) is None
    store.write(record(hash="adapter0", train_seconds=20.0, **done))
    assert seconds_left(plan, store) == pytest.approx(2.0 + 20.0)


def test_a_running_cell_is_judged_by_its_own_pace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("benchmark.launch.plan.time.time", lambda: now[0])
    store, lease, marker = Store(tmp_path), Lease(tmp_path, "abc"), Marker(tmp_path, "abc")
    assert lease.take()
    marker.write(os.getpid())
    now[0] += 30
    marker.write(os.getpid(), Progress("x", "train", 3, 4))
    done = Marker(tmp_path, "abc").read()[1]
    assert seconds_left(Plan((CELL,), {"abc": 5.0}), store) == pytest.approx(30 / done * (1 - done))
    lease.give_back()
