from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from results.record import PARTS_WITH_VERSIONS, SCHEMA
from results.store.migration import STEPS
from results.store.serialise import RecordError, from_json, to_json
from results.table.build import build

OLD = Path(__file__).with_name("old")
"""One record of each older schema, as a run of that time wrote it."""


def test_every_older_schema_has_a_stored_record() -> None:
    assert sorted(path.stem for path in OLD.glob("*.json")) == [f"schema_{number}" for number in range(1, SCHEMA)]
    assert sorted(STEPS) == list(range(1, SCHEMA))


@pytest.mark.parametrize("path", sorted(OLD.glob("*.json")), ids=lambda path: path.stem)
def test_an_old_record_is_read_and_ranked(path: Path) -> None:
    old = json.loads(path.read_bytes())
    record = from_json(path.read_bytes(), path.name)
    assert record.schema == SCHEMA
    for name in ("hash", "backbone", "adapter", "seed", "scores", "history", "train_seconds"):
        assert getattr(record, name) == old[name]
    (row,) = build([record])
    assert row.score.mean == record.scores[record.primary_metric]
    assert from_json(to_json(record)) == record


def test_what_schema_1_did_not_keep_is_unknown() -> None:
    record = from_json((OLD / "schema_1.json").read_bytes())
    (row,) = build([record])
    assert (record.single, record.train_ms_per_clip, record.checkpoint_bytes) == (None, None, None)
    assert (row.cost.single_peak_memory_mb, row.cost.train_ms_per_clip, row.cost.checkpoint_bytes) == (None, None, None)


def test_what_schema_2_counted_as_identity_is_provenance() -> None:
    old = json.loads((OLD / "schema_2.json").read_bytes())
    record = from_json((OLD / "schema_2.json").read_bytes())
    assert record.environment == {**old["environment"], "workers": 0, "sources": "790f897a7f4d9f02"}
    assert record.recipe == {name: value for name, value in old["recipe"].items() if name != "workers"}
    assert (record.versions, record.weights) == ({}, old["weights"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("synthetic@bf5f38ee", "synthetic@1"),
        ("synthetic@65247b43", "synthetic@65247b43"),
        ("AVE@1", "AVE@1"),
        (None, None),
    ],
)
def test_the_synthetic_world_of_schema_2_is_its_first_version(old: str | None, new: str | None) -> None:
    content = json.loads((OLD / "schema_2.json").read_bytes()) | {"data": old}
    assert from_json(json.dumps(content)).data == new


def test_sources_that_schema_2_did_not_know_are_unknown() -> None:
    content = json.loads((OLD / "schema_2.json").read_bytes()) | {"code": ""}
    assert from_json(json.dumps(content)).environment["sources"] is None


def test_a_later_schema_or_none_is_refused(record) -> None:
    content = json.loads(to_json(replace(record(), checkpoint_bytes=8)))
    assert from_json(json.dumps(content)).checkpoint_bytes == 8
    with pytest.raises(RecordError, match="reads 1 to"):
        from_json(json.dumps(content | {"schema": SCHEMA + 1}))
    with pytest.raises(RecordError, match="schema None"):
        from_json(json.dumps({key: value for key, value in content.items() if key != "schema"}))


def test_runs_of_schema_2_that_differ_in_their_sources_alone_are_one_row_with_the_same_scores() -> None:
    old = json.loads((OLD / "schema_2.json").read_bytes())
    metric = old["primary_metric"]
    runs = [
        from_json(json.dumps(old | {"hash": f"r{seed}", "seed": seed, "code": code, "scores": {metric: score}}))
        for seed, (code, score) in enumerate([("790f897a7f4d9f02", 78.0), ("c0de", 80.0), ("", 79.0)])
    ]
    today = replace(
        runs[0], hash="today", seed=3, scores={metric: 83.0}, versions=dict.fromkeys(PARTS_WITH_VERSIONS, "1")
    )
    (row,) = build([*runs, today])
    assert (row.score.mean, row.score.seeds, row.data) == (80.0, 4, "synthetic@1")
