"""How much searching is behind a row, and rows that had less of it than others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from results.render.markdown import remarks
from results.table.build import build
from results.table.row import Row


@pytest.fixture
def row_of(record) -> Callable[..., list]:
    """The runs of a row, of each what it tells of its search."""
    return lambda adapter, *efforts: [
        record(adapter=adapter, seed=seed, environment={} if effort is None else {"effort": effort})
        for seed, effort in enumerate(efforts)
    ]


def board(*groups: list) -> dict[str, Row]:
    return {row.adapter: row for row in build([record for group in groups for record in group])}


def test_rows_of_equal_effort_are_not_marked(row_of) -> None:
    effort = {"trials": 20, "epochs": 96}
    rows = board(row_of("lavish", effort, effort), row_of("stg_cma", effort))
    assert {(row.effort.trials, row.effort.trial_epochs, row.effort.less_tuned) for row in rows.values()} == {
        (20, 96, False)
    }
    assert "20 trials" in remarks(rows["lavish"], list(rows.values()), ())


@pytest.mark.parametrize(
    "less", [None, {"trials": 5, "epochs": 96}, {"trials": 20, "epochs": 48}, "twenty", {"trials": -1}]
)
def test_a_row_with_less_behind_it_is_marked(row_of, less: object) -> None:
    rows = board(row_of("lavish", {"trials": 20, "epochs": 96}), row_of("stg_cma", less))
    assert (rows["lavish"].effort.less_tuned, rows["stg_cma"].effort.less_tuned) == (False, True)
    assert "less tuned than others" in "; ".join(remarks(rows["stg_cma"], list(rows.values()), ()))


def test_of_seeds_the_least_counts(row_of) -> None:
    rows = board(row_of("lavish", {"trials": 20, "epochs": 96}, {"trials": 8, "epochs": 99}), row_of("stg_cma", None))
    assert (rows["lavish"].effort.trials, rows["lavish"].effort.trial_epochs) == (8, 96)


def test_a_board_without_any_search_says_nothing(row_of) -> None:
    rows = board(row_of("lavish", None), row_of("stg_cma", None))
    assert {row.effort.less_tuned for row in rows.values()} == {None}
    assert "trial" not in "; ".join(remarks(rows["lavish"], list(rows.values()), ()))
