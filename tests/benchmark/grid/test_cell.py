"""A cell as plain values and back, and as a trial of a search."""

from __future__ import annotations

from dataclasses import replace

import pytest
from queued_cells import cell

from benchmark.grid.cell import Cell


def test_a_cell_comes_back_from_its_plain_values() -> None:
    plain = cell("0123")
    assert Cell.from_dict(plain.as_dict()) == plain
    assert plain.as_dict().keys() == {"spec", "hash", "versions", "features"}


def test_a_trial_comes_back_as_a_trial_and_a_tuned_cell_with_its_effort() -> None:
    trial = cell("0123").trial(7)
    assert Cell.from_dict(trial.as_dict()) == trial
    tuned = replace(cell("0123"), spec=replace(cell("0123").spec, effort={"trials": 20, "epochs": 96}))
    assert Cell.from_dict(tuned.as_dict()).spec.effort == {"trials": 20, "epochs": 96}


def test_effort_is_no_part_of_what_a_cell_is() -> None:
    plain = cell("0123").spec
    tuned = replace(plain, effort={"trials": 20, "epochs": 96})
    assert plain == tuned
    assert (plain.slug, plain.as_dict()) == (tuned.slug, tuned.as_dict())


def test_rungs_of_a_trial_have_records_of_their_own_and_checkpoints_in_common() -> None:
    plain = cell("0123")
    first, second = plain.trial(1), plain.trial(12)
    assert (first.hash, second.hash) == ("0123-1", "0123-12")
    assert {first.checkpoints, second.checkpoints, plain.checkpoints} == {"0123"}


@pytest.mark.parametrize("facts", [{"until": "7"}, {"until": -1}, {"effort": [1]}, {"effort": {"trials": "many"}}])
def test_foreign_values_are_refused(facts: dict) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):
        Cell.from_dict({**cell("0123").as_dict(), **facts})
