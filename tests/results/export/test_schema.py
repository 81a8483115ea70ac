from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest

from results.export.schema import record_schema
from results.record import SingleClip
from results.store.serialise import to_json


def test_every_record_that_is_written_is_of_the_schema(record) -> None:
    jsonschema.Draft202012Validator.check_schema(record_schema())
    full = replace(record(), single=SingleClip(1.0, 2.0, None), history=[{"epoch": 1, "train_loss": 0.5}])
    for one in (record(), full, record(status="failed")):
        jsonschema.validate(json.loads(to_json(one)), record_schema())


@pytest.mark.parametrize(
    "change",
    [{"seed": "0"}, {"hash": "a/b"}, {"more": 1}, {"schema": 2}, {"failure": {"kind": "error", "message": ""}}],
)
def test_what_is_no_record_is_refused(record, change) -> None:
    content = json.loads(to_json(record())) | change
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, record_schema())
