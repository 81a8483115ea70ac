"""Which cells share frozen features, and that no cell waits for another's extraction while it could train."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from benchmark.data.cache_key import Underway, count_extractions, extraction_of, in_words
from benchmark.grid.grid import RunSpec
from benchmark.launch.plan import Cell
from benchmark.launch.queue import Waiting
from registry import Component
from results.store.store import Store
from tasks.recipe import Recipe


def cell(
    name: str, adapter: str = "linear_probe", backbone: str = "tiny_vit", task: str = "avqa", **changes: Any
) -> Cell:
    parts = {"seed": 0, "recipe": Recipe(), **changes}
    return Cell(RunSpec(Component.parse(backbone), Component.parse(adapter), Component.parse(task), **parts), name, "c")


@pytest.fixture(autouse=True)
def keeping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AVBENCH_PREPARED", raising=False)


def test_rates_seeds_and_heads_share_an_extraction() -> None:
    cells = [
        cell("a"),
        cell("b", seed=1),
        cell("c", recipe=Recipe(head_lr=1e-4)),
        cell("d", task="avqa(head='stg_cma')"),
    ]
    assert count_extractions(cells) == (1, 4)


@pytest.mark.parametrize(
    "other",
    [
        {"backbone": "tiny_clip"},
        {"backbone": "tiny_vit(weights='none')"},
        {"task": "retrieval"},
        {"recipe": dataclasses.replace(Recipe(), precision="fp32")},
    ],
)
def test_other_backbones_data_and_precisions_do_not(other: dict[str, Any]) -> None:
    assert count_extractions([cell("a"), cell("b", **other)]) == (2, 2)


def test_random_backbones_differ_by_seed() -> None:
    cells = [cell(str(seed), backbone="tiny_vit(weights='none')", seed=seed) for seed in (0, 1)]
    assert count_extractions(cells) == (2, 2)


def test_what_adapts_or_is_unknown_extracts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert extraction_of(cell("a", "stg_cma").spec) is None
    assert extraction_of(cell("a", "nowhere").spec) is None
    assert in_words([cell("a", "lavish")]) == ""
    monkeypatch.setenv("AVBENCH_PREPARED", "none")
    assert extraction_of(cell("a").spec) is None


def test_the_plan_in_words() -> None:
    cells = [cell("a"), cell("b", seed=1), cell("c", "lavish")]
    assert in_words(cells).startswith("1 extraction of frozen features at most for 2 of them")
    assert in_words([*cells, cell("d", backbone="tiny_swin")]).startswith("2 extractions of frozen features")


def test_a_cell_waits_while_another_extracts_and_others_pass(tmp_path) -> None:
    first, second, third, adapted = cell("first"), cell("second", seed=1), cell("third", seed=2), cell("x", "lavish")
    underway, waiting = Underway(), Waiting([first, second, third, adapted], Store(tmp_path))

    def start() -> Cell | None:
        if started := waiting.next(underway.must_wait):
            underway.begins(started)
        return started

    assert start() is first
    assert start() is adapted, "it needs no extraction, so it passes"
    underway.is_ready(adapted)
    assert underway.must_wait(second)
    underway.is_ready(first)
    assert start() is second
    assert start() is third, "features that were made once are there"
    assert start() is None


def test_the_next_cell_extracts_where_the_first_failed(tmp_path) -> None:
    first, second, third = cell("first"), cell("second", seed=1), cell("third", seed=2)
    underway = Underway()
    underway.begins(first)
    underway.ends(first)
    assert not underway.must_wait(second)
    underway.begins(second)
    assert underway.must_wait(third)
    underway.ends(first)
    assert underway.must_wait(third)


def test_a_slot_with_nothing_else_to_do_takes_a_cell_that_waits(tmp_path) -> None:
    first, second = cell("first"), cell("second", seed=1)
    underway, waiting = Underway(), Waiting([first, second], Store(tmp_path))
    underway.begins(waiting.next(underway.must_wait))
    assert waiting.next(underway.must_wait) is second
