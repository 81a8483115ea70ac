"""The JSON Schema (draft 2020-12) of a record, made from the dataclass that reads and writes it."""

from __future__ import annotations

import dataclasses
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from results.record import SCHEMA, RunRecord

_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean"}


def record_schema() -> dict[str, Any]:
    """What `results.store.serialise.from_json` takes of the present schema."""
    found = _of(RunRecord)
    found["properties"]["schema"] = {"const": SCHEMA}
    found["properties"]["hash"]["pattern"] = "^[A-Za-z0-9_-]+$"
    failed = {"properties": {"status": {"const": "failed"}}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "AV Adapter Bench run record",
        **found,
        "if": failed,
        "then": {"required": ["failure"], "properties": {"failure": {"type": "object"}}},
        "else": {"properties": {"failure": {"type": "null"}, "primary_metric": {"minLength": 1}}},
    }


def _of(kind: Any) -> dict[str, Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return {}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        known = [argument for argument in arguments if argument is not types.NoneType]
        return {"anyOf": [*map(_of, known), {"type": "null"}]}
    if origin is list:
        return {"type": "array", "items": _of(arguments[0])}
    if origin is dict:
        # A null score is left out when it is read.
        values = _of(arguments[1])
        return {"type": "object", "additionalProperties": {"anyOf": [values, {"type": "null"}]} if values else {}}
    if dataclasses.is_dataclass(kind):
        return _of_fields(kind)
    return {"type": _PLAIN[kind]}


def _of_fields(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    required = [
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    properties = {field.name: _of(hints[field.name]) for field in dataclasses.fields(kind)}
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
