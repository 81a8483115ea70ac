"""The grid on screen, with and without a terminal."""

from __future__ import annotations

import dataclasses
import io

import pytest
from rich.console import Console

from benchmark.cli import display as module
from benchmark.cli.display import display
from benchmark.grid.cell import Cell
from benchmark.grid.spec import RunSpec
from benchmark.runtime.progress import Progress
from registry import Component
from results.record import Failure, RunRecord
from tasks.recipe import Recipe

SPEC = RunSpec(Component("b"), Component("a", {"x": [1]}), Component("t"), 0, Recipe())
CELL = Cell(SPEC, "abc", {"adapter": "1"})
DONE = RunRecord(
    **SPEC.as_dict(), hash="abc", slug="s", status="completed", primary_metric="accuracy", scores={"accuracy": 51.23},
    train_seconds=12.0,
)  # fmt: skip
FAILED = dataclasses.replace(DONE, status="failed", failure=Failure("data", "clip [7] is cut short"), scores={})


def shown(record: RunRecord, *, terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=160, color_system=None)
    with display(9, 3, console) as observer:
        observer.started(CELL)
        observer.progressed(CELL, Progress("s", "train", 1, 4, 2, 8, loss=0.5, score=61.25))
        observer.ended(CELL, record)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_cell_that_ended_is_one_line(terminal: bool) -> None:
    assert "[4/9] b × a(x=[1]) × t, seed 0: accuracy 51.2 in 12 s\n" in shown(DONE, terminal=terminal)
    assert "[4/9] b × a(x=[1]) × t, seed 0: failed, data: clip [7] is cut short\n" in shown(FAILED, terminal=terminal)


def test_without_a_terminal_there_is_nothing_else() -> None:
    assert shown(DONE, terminal=False).count("\n") == 1


def test_a_long_cell_is_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.0)
    first = shown(DONE, terminal=False).splitlines()[0]
    assert first == "b × a(x=[1]) × t, seed 0: train 1/4 · loss 0.5 · best 61.2"


def test_on_a_terminal_the_running_cell_and_the_grid_have_bars() -> None:
    out = shown(DONE, terminal=True)
    assert "3 of 9" in out
    assert "4 of 9" in out


def test_a_notebook_with_widgets_shows_what_a_terminal_does(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Console(file=io.StringIO(), force_jupyter=True)
    assert notebook.is_jupyter
    assert not notebook.is_terminal
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with display(9, 3, notebook) as observer:
        assert isinstance(observer, module.Lines)
    monkeypatch.setattr(module, "find_spec", lambda name: name)
    monkeypatch.setattr(module, "_progress_bars", lambda console: module.nullcontext(FakeBars()))
    with display(9, 3, notebook) as observer:
        assert isinstance(observer, module.Bars)


class FakeBars:
    def add_task(self, *words: object, **facts: object) -> int:
        return 0
