"""The last plan, what runs now, and where each cell stands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.grid import RunSpec
from benchmark.plan import Cell, Marker, PlannedCell, read_plan, standing, write_plan
from benchmark.progress import Progress
from registry import Component
from results.record import Failure, RunRecord
from results.store import Store
from tasks.recipe import Recipe

SPEC = RunSpec(Component("b"), Component("a"), Component("t"), 0, Recipe())
CELL = Cell(SPEC, "abc", "code")


def record(**changes: object) -> RunRecord:
    asked = {**SPEC.as_dict(), "hash": "abc", "slug": SPEC.slug}
    return RunRecord(**{**asked, **changes})  # type: ignore[arg-type]


def test_a_plan_is_read_back(tmp_path: Path) -> None:
    write_plan(tmp_path, [CELL])
    assert read_plan(tmp_path) == [PlannedCell("abc", SPEC.slug, SPEC.title)]


@pytest.mark.parametrize("content", [None, "{", "[]", '{"cells": [{"hash": "x"}]}'])
def test_no_readable_plan_is_no_plan(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "plan.json").write_text(content)
    assert read_plan(tmp_path) == []


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
        Marker(tmp_path, "abc").write(os.getpid(), Progress("x", "train", 2, 4))
        assert standing(Store(tmp_path), CELL) == ("running", "train, epoch 2 of 4")

    def test_an_unreadable_record_waits_and_says_so(self, tmp_path: Path) -> None:
        Store(tmp_path).prepare()
        (tmp_path / "records" / "abc.json").write_text("{")
        at, note = standing(Store(tmp_path), CELL)
        assert at == "waiting"
        assert "abc.json" in note


class TestMarker:
    def test_comes_and_goes(self, tmp_path: Path) -> None:
        marker = Marker(tmp_path, "abc")
        assert marker.read() is None
        marker.write(os.getpid())
        assert marker.read() == "starting"
        marker.remove()
        marker.remove()
        assert marker.read() is None

    def test_a_process_that_is_gone_does_not_run(self, tmp_path: Path) -> None:
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        Marker(tmp_path, "abc").write(ended.pid)
        assert Marker(tmp_path, "abc").read() is None

    def test_a_process_of_another_machine_is_believed(self, tmp_path: Path) -> None:
        marker = Marker(tmp_path, "abc")
        marker.write(1)
        path = tmp_path / "running" / "abc.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "host": "elsewhere", "pid": 2**22 + 1}))
        assert marker.read() == "starting"
