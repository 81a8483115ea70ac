from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.record import FAILURE_KINDS, Failure, Parameters, RunRecord
from results.store.serialise import (
    LARGEST,
    LARGEST_COUNT,
    RecordError,
    dataclass_from_json,
    dataclass_to_json,
    from_json,
    to_json,
)

FINITE = st.floats(-LARGEST, LARGEST)
SCORES = st.dictionaries(st.text(max_size=5), FINITE, max_size=3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-LARGEST_COUNT, LARGEST_COUNT) | FINITE | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
COUNT = st.integers(0, 10**12)


@st.composite
def records(draw: st.DrawFn) -> RunRecord:
    completed = draw(st.booleans())
    text = st.text(max_size=8)
    return RunRecord(
        hash=draw(st.text("abcdef0123456789", min_size=1, max_size=8)),
        slug=draw(text),
        backbone=draw(text),
        adapter=draw(text),
        task=draw(text),
        seed=draw(st.integers(0, 9)),
        recipe=draw(st.dictionaries(text, JSON, max_size=3)),
        protocol=draw(text),
        status="completed" if completed else "failed",
        data=draw(st.none() | text),
        weights=draw(st.dictionaries(text, text, max_size=2)),
        versions=draw(st.dictionaries(text, text, max_size=2)),
        labels=draw(st.lists(text, max_size=2)),
        environment=draw(st.dictionaries(text, JSON, max_size=2)),
        primary_metric="accuracy",
        history=draw(st.lists(SCORES, max_size=2)),
        best_epoch=draw(st.none() | st.integers(0, 99)),
        validation=draw(SCORES),
        scores=draw(SCORES) | {"accuracy": draw(FINITE)},
        parameters=draw(st.none() | st.builds(Parameters, COUNT, COUNT, COUNT, COUNT, st.none() | COUNT)),
        gflops=draw(st.none() | FINITE),
        failure=None if completed else Failure(draw(st.sampled_from(FAILURE_KINDS)), draw(text), draw(text)),
    )


@given(records())
def test_what_is_written_is_read_again(record: RunRecord) -> None:
    assert from_json(to_json(record)) == record


def test_numbers_that_are_not_finite_become_null(record) -> None:
    run = record(gflops=float("nan"), history=[{"epoch": 1, "train_loss": float("inf")}])
    written = json.loads(to_json(run))
    assert written["gflops"] is None
    assert written["history"] == [{"epoch": 1, "train_loss": None}]
    read = from_json(to_json(run))
    assert read.gflops is None
    assert read.history == [{"epoch": 1}]


def test_numbers_of_numpy_are_written_as_plain_numbers(record) -> None:
    run = record(scores={"accuracy": np.float32(0.5)}, best_epoch=np.int64(3))
    read = from_json(to_json(run))
    assert (read.scores["accuracy"], read.best_epoch) == (0.5, 3)


def test_fields_with_a_default_may_be_absent(record) -> None:
    content = json.loads(to_json(record()))
    del content["versions"], content["environment"]
    assert from_json(json.dumps(content)) == record()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"schema": 99}, "schema 99"),
        ({"seed": "0"}, "record.seed is '0', not int"),
        ({"seed": True}, "record.seed is True"),
        ({"status": "done"}, "record.status"),
        ({"scores": {"accuracy": "high"}}, "record.scores['accuracy']"),
        ({"parameters": {"backbone": 1, "adapter": 2}}, "record.parameters lacks head"),
        ({"colour": "red"}, "unknown fields: colour"),
        ({"scores": {}}, "without a score for 'accuracy'"),
        ({"status": "failed", "failure": {"kind": "tired", "message": ""}}, "record.failure.kind is 'tired'"),
        ({"status": "failed"}, "failed, but without a failure"),
        ({"hash": "../../etc"}, "hash '../../etc'"),
    ],
)
def test_a_malformed_record_is_refused_by_name(record, change, complaint) -> None:
    content = json.loads(to_json(record())) | change
    with pytest.raises(RecordError) as error:
        from_json(json.dumps(content), "records/abc.json")
    assert str(error.value).startswith("records/abc.json: ")
    assert complaint in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"schema": NaN}', '{"schema": 1e999}', "[" * 100_000])
def test_text_that_is_no_record_is_refused(text) -> None:
    with pytest.raises(RecordError):
        from_json(text)


def test_a_record_without_its_primary_score_is_not_written(record) -> None:
    with pytest.raises(RecordError, match="without a score"):
        to_json(replace(record(), scores={"accuracy": float("nan")}))


@dataclass(frozen=True)
class Inner:
    numbers: list[float]


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner
    seconds: float | None = None


def test_any_dataclass_of_plain_values_comes_back() -> None:
    value = Outer("a", Inner([1.0, 2.5]))
    assert dataclass_from_json(Outer, dataclass_to_json(value, "outer"), "outer") == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "outer: not readable as JSON"),
        ('{"name": "a"}', "outer lacks inner"),
        ('{"name": "a", "inner": {"numbers": [1]}, "more": 1}', "outer has unknown fields: more"),
        ('{"name": "a", "inner": {"numbers": ["one"]}}', "outer.inner.numbers[0] is 'one', not float"),
        ("[]", "outer is [], not Outer"),
    ],
)
def test_a_dataclass_that_is_malformed_is_refused_by_its_field(text: str, said: str) -> None:
    with pytest.raises(RecordError) as error:
        dataclass_from_json(Outer, text, "outer")
    assert said in str(error.value)


def test_what_json_cannot_say_is_not_written() -> None:
    with pytest.raises(RecordError, match="outer: "):
        dataclass_to_json(Outer("a", object()), "outer")  # type: ignore[arg-type]
