from __future__ import annotations

import io

import pytest
from rich.console import Console

from results.record import Failure
from results.render.console import show
from results.render.terminal import summarise
from results.table.build import build
from results.table.gather import Leaderboard


def shown(rows, width: int) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    show(summarise(Leaderboard(rows)), console)
    return console.export_text()


@pytest.mark.parametrize("width", [80, 140])
def test_scores_and_failures_fit_the_screen(record, width) -> None:
    failure = Failure("error", "[red]no markup[/red]")
    rows = build([record(seed=seed, scores={"accuracy": 50.0 + seed}) for seed in range(3)])
    rows += build([record(adapter="lavish(latents=[4])", status="failed", failure=failure)])
    text = shown(rows, width)
    assert "avqa · accuracy · synthetic data" in text
    assert "51.00" in text
    assert ("1.00" in text.replace("51.00", "")) == (width == 140)
    assert "lavish(latents=[4]) · seed 0: error: [red]no markup[/red]" in text
    assert ("ms/clip" in text) == (width == 140)


def test_what_is_partial_says_so(record) -> None:
    text = shown(build([record(), record(seed=1, status="failed")]), 80)
    assert "partial: 1 of 2 failed" in text
