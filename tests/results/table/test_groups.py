"""Which runs become one row, and what a reader is told of it."""

from __future__ import annotations

import pytest

from results.record import PARTS_WITH_VERSIONS
from results.table.groups import group_runs, notes

FIRST = dict.fromkeys(PARTS_WITH_VERSIONS, "1")


def test_a_record_without_versions_joins_those_of_the_first(record) -> None:
    (group,) = group_runs([record(), record(seed=1, versions=FIRST)])
    assert [run.seed for run in group.completed] == [0, 1]
    assert notes([group]) == ["1 record of an older schema carries no versions; each part is taken as version 1"]
    assert notes(group_runs([record(versions=FIRST)])) == []
    assert notes(group_runs([record(), record(seed=1)]))[0].startswith("2 records of an older schema carry no versions")


@pytest.mark.parametrize("part", PARTS_WITH_VERSIONS)
def test_a_raised_version_is_a_group_of_its_own(record, part) -> None:
    assert len(group_runs([record(), record(seed=1, versions={**FIRST, part: "2"})])) == 2


def test_weights_are_known_by_their_digests_alone(record) -> None:
    runs = [record(weights={"model.safetensors": "aa"}), record(seed=1, weights={"elsewhere/vit.bin": "aa"})]
    assert len(group_runs(runs)) == 1
    assert len(group_runs([*runs, record(seed=2, weights={"model.safetensors": "ab"})])) == 2


def test_what_a_run_ran_on_tells_nothing_apart(record) -> None:
    here = record(environment={"sources": "aa", "workers": 0})
    assert len(group_runs([here, record(seed=1, environment={"sources": "bb", "workers": 8})])) == 1


def test_of_a_seed_that_completed_twice_the_last_counts_and_it_is_said(record) -> None:
    runs = [
        record(versions=FIRST, hash="new", finished="2026-02", scores={"accuracy": 60.0}),
        record(versions=FIRST, hash="old", finished="2026-01"),
        record(versions=FIRST, seed=1),
        record(versions=FIRST, seed=1, status="failed", finished="2027"),
    ]
    for order in (runs, runs[::-1], [*runs, runs[0]]):
        (group,) = group_runs(order)
        assert [run.scores["accuracy"] for run in group.completed] == [60.0, 50.0]
        assert group.failed == []
        assert notes([group]) == [
            "avqa · tiny_vit · linear_probe: seed 0 completed more than once; the run that finished last counts, the "
            "others enter no number"
        ]
