"""Our row beside a paper's figure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from registry.errors import UserError
from results.table.against_published import against_published
from results.table.build import build
from results.table.published import figure_of, published
from results.table.row import Row, Score

FIGURE = figure_of({"data": "AVE", "method": "STG-CMA (ratio 1/16)", "backbone": "CLIP ViT-L/14"})


@pytest.fixture
def row(record) -> Row:
    facts = {
        "task": "event_localisation",
        "data": "ave@0123",
        "primary_metric": "segment_accuracy",
        "protocol": "paper",
    }
    (row,) = build([record(**facts, labels=["selected on test"], scores={"segment_accuracy": 83.0})])
    return replace(row, score=Score(mean=83.0, seeds=3, interval=0.5))


@pytest.mark.parametrize(
    ("mean", "verdict"), [(83.0, "reproduced"), (83.8, "reproduced"), (82.7, "below"), (83.9, "above")]
)
def test_the_interval_of_the_row_decides(row: Row, mean: float, verdict: str) -> None:
    found = against_published(replace(row, score=replace(row.score, mean=mean)), FIGURE)
    assert found.verdict == verdict
    assert found.sentence.startswith(f"{verdict}: ")
    assert (found.low, found.high) == (mean - 0.5, mean + 0.5)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"protocol": "validation"}, "the row is validation-selected, the figure test-selected"),
        ({"data": "synthetic@1"}, "the row was measured on synthetic@1, the figure on AVE"),
        ({"data": "ave-dedup@0123"}, "the row was measured on ave-dedup@0123"),
        ({"labels": ("random weights", "selected on test")}, "the row is labelled random weights"),
        ({"metric": "answer_accuracy"}, "scored by answer_accuracy"),
        ({"score": Score(mean=83.0, seeds=1)}, "the row has no interval"),
    ],
)
def test_what_cannot_be_compared_says_why(row: Row, changes: dict, reason: str) -> None:
    found = against_published(replace(row, **changes), FIGURE)
    assert found.verdict == "not comparable"
    assert reason in found.sentence
    assert found.low is None


def test_a_set_up_that_differs_compares_nothing(row: Row) -> None:
    found = against_published(row, FIGURE, ["recipe epochs=2 in place of 20"])
    assert found.sentence == "not comparable because recipe epochs=2 in place of 20"


def test_a_figure_whose_selection_nobody_tells_compares_nothing(row: Row) -> None:
    unknown = next(figure for figure in published() if figure.protocol == "unknown" and figure.data == "AVE")
    assert "nobody tells which split" in against_published(row, unknown).sentence


def test_a_figure_is_one_line() -> None:
    with pytest.raises(UserError, match="expected 1"):
        figure_of({"data": "AVE"})
