"""Which cells share frozen features, and that no cell waits for another's extraction while it could train."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from benchmark.grid.cell import Cell
from benchmark.grid.resolve import resolve
from benchmark.grid.spec import RunSpec
from benchmark.launch.queue import Extractions, Waiting, extractions_in_words, needed_features
from registry import Component
from results.store.store import Store
from tasks.recipe import Recipe


def cell(name: str, adapter: str = "linear_probe", **changes: Any) -> Cell:
    """Resolved, and called by this name in place of its hash."""
    parts = {"backbone": "tiny_vit", "task": "avqa", "seed": 0, "recipe": Recipe(), **changes}
    components = (Component.parse(text) for text in (parts.pop("backbone"), adapter, parts.pop("task")))
    (resolved,) = resolve([RunSpec(*components, **parts)])
    return dataclasses.replace(resolved, hash=name)


@pytest.fixture(autouse=True)
def keeping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AVBENCH_PREPARED", raising=False)


def test_nothing_is_needed_where_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert needed_features(cell("a"))
    monkeypatch.setenv("AVBENCH_PREPARED", "none")
    assert not needed_features(cell("a"))
    assert extractions_in_words([cell("a")]) == ""


def test_the_plan_extractions_in_words() -> None:
    cells = [cell("a"), cell("b", seed=1), cell("c", "lavish")]
    assert extractions_in_words(cells).startswith("1 extraction of frozen features at most for 2 of them")
    assert extractions_in_words([*cells, cell("d", backbone="tiny_swin")]).startswith(
        "2 extractions of frozen features"
    )


def test_a_cell_waits_while_another_extracts_and_others_pass(tmp_path) -> None:
    first, second, third, adapted = cell("first"), cell("second", seed=1), cell("third", seed=2), cell("x", "lavish")
    extractions, waiting = Extractions(), Waiting([first, second, third, adapted], Store(tmp_path))

    def start() -> Cell | None:
        if started := waiting.next(extractions.must_wait):
            extractions.begins(started)
        return started

    assert start() is first
    assert start() is adapted, "it needs no extraction, so it passes"
    extractions.is_ready(adapted)
    assert extractions.must_wait(second)
    extractions.is_ready(first)
    assert start() is second
    assert start() is third, "features that were made once are there"
    assert start() is None


def test_the_next_cell_extracts_where_the_first_failed(tmp_path) -> None:
    first, second, third = cell("first"), cell("second", seed=1), cell("third", seed=2)
    extractions = Extractions()
    extractions.begins(first)
    extractions.ends(first)
    assert not extractions.must_wait(second)
    extractions.begins(second)
    assert extractions.must_wait(third)
    extractions.ends(first)
    assert extractions.must_wait(third)


def test_a_slot_with_nothing_else_to_do_takes_a_cell_that_waits(tmp_path) -> None:
    first, second = cell("first"), cell("second", seed=1)
    extractions, waiting = Extractions(), Waiting([first, second], Store(tmp_path))
    extractions.begins(waiting.next(extractions.must_wait))
    assert waiting.next(extractions.must_wait) is second
