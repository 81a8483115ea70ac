from __future__ import annotations

import io

import pytest
from rich.console import Console

from registry.vocabulary import ItemScore
from results.render.comparison import show_comparison
from results.table.build import build
from results.table.compare import compare_rows


def shown(record, seeds: int, changes: dict) -> str:
    runs = [record(seed=seed) for seed in range(seeds)]
    better = [record(adapter="lavish", seed=seed, scores={"accuracy": 75.0}, **changes) for seed in range(seeds)]
    right = dict.fromkeys((run.hash for run in runs), 2) | dict.fromkeys((run.hash for run in better), 6)
    items = {key: [ItemScore(f"q{i}", float(i < n)) for i in range(8)] for key, n in right.items()}
    console = Console(width=140, record=True, file=io.StringIO())
    rows = build([*runs, *better])
    show_comparison(compare_rows(rows, items.__getitem__, "tiny_vit/lavish", "tiny_vit/linear_probe"), console)
    return console.export_text()


@pytest.mark.parametrize(("seeds", "words"), [(1, "1 shared seed\n"), (2, "2 shared seeds\n")])
def test_the_difference_and_what_it_rests_on(record, seeds: int, words: str) -> None:
    text = shown(record, seeds, {})
    assert words.strip() in text
    assert "+50.00" in text
    assert ("the noise between seeds is in neither" in text) == (seeds == 1)


def test_what_else_differs_is_said(record) -> None:
    assert "They also differ in recipe epochs 9 | 2" in shown(record, 1, {"recipe": {"epochs": 9}})
