"""A record as JSON text and back: numbers are finite, unknown is null, and nothing malformed gets through."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import types
from collections.abc import Mapping
from functools import cache
from numbers import Integral, Real
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from results.record import RunRecord
from results.store.migration import to_present

T = TypeVar("T")

_FILE_NAME = re.compile(r"[A-Za-z0-9_-]+")


class RecordError(ValueError):
    """A record that cannot be read or may not be written, told in one line that names it."""


def to_json(record: RunRecord) -> str:
    """The record as indented JSON; a number that is not finite becomes null.

    Raises:
        RecordError: the record contradicts itself (see `check`) or holds something that JSON cannot say.
    """
    source = f"record {record.hash}"
    check(record, source)
    try:
        return json.dumps(_plain(record), indent=1, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise RecordError(f"{source}: {error}") from None


def from_json(text: str | bytes, source: str = "record") -> RunRecord:
    """Read what `to_json` wrote, now or in an older schema. A field with a default may be absent; a null score is left
    out.

    Args:
        text: the JSON text.
        source: where it comes from, for the error line.

    Raises:
        RecordError: no JSON, another schema, a field that is missing, unknown or of the wrong type, or a contradiction.
    """
    content = _parsed(text, source)
    try:
        present = to_present(content if isinstance(content, dict) else {})
        record: RunRecord = _read(RunRecord, present, "record")
    except (ValueError, OverflowError) as error:
        raise RecordError(f"{source}: {error}") from None
    check(record, source)
    return record


def dataclass_to_json(value: Any, source: str) -> str:
    """A dataclass of plain values, lists, dictionaries and dataclasses as indented JSON, as `to_json` writes records.

    Raises:
        RecordError: it holds something that JSON cannot say.
    """
    try:
        return json.dumps(_plain(value), indent=1, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise RecordError(f"{source}: {error}") from None


def dataclass_from_json(kind: type[T], text: str | bytes, source: str) -> T:
    """What `dataclass_to_json` wrote, its types checked.

    Raises:
        RecordError: no JSON, or a field that is missing, unknown or of the wrong type.
    """
    content = _parsed(text, source)
    try:
        read: T = _read(kind, content, source)
    except (ValueError, OverflowError) as error:
        raise RecordError(str(error)) from None
    return read


def _parsed(text: str | bytes, source: str) -> Any:
    try:
        return json.loads(text, parse_float=_finite, parse_constant=_not_finite)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{source}: not readable as JSON ({error})") from None


def check(record: RunRecord, source: str) -> None:
    """Refuse a record that contradicts itself.

    Raises:
        RecordError: completed without a finite primary score, failed without a reason, or a hash unfit for a file name.
    """
    if not _FILE_NAME.fullmatch(record.hash):
        raise RecordError(f"{source}: hash {record.hash!r} is not of letters, digits, '-' and '_'")
    if record.status == "failed" and record.failure is None:
        raise RecordError(f"{source}: failed, but without a failure")
    if record.status == "completed":
        if record.failure is not None:
            raise RecordError(f"{source}: completed, but with a failure")
        if not math.isfinite(record.scores.get(record.primary_metric, math.nan)):
            raise RecordError(f"{source}: completed, but without a score for {record.primary_metric!r}")


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool):
        return value
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_key(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    raise TypeError(f"{value!r} has no place in a record")


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"key {key!r} is not text")
    return key


def _read(kind: Any, value: Any, where: str) -> Any:
    if type(value) is kind and kind in (int, str, float):
        return value
    origin, arguments = _parts(kind)
    if kind is Any or (origin is Literal and value in arguments):
        return value
    if origin in (Union, types.UnionType):
        known = next(argument for argument in arguments if argument is not types.NoneType)
        return None if value is None else _read(known, value, where)
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        return _read_fields(kind, value, where)
    if origin is list and isinstance(value, list):
        return [_read(arguments[0], entry, f"{where}[{i}]") for i, entry in enumerate(value)]
    if origin is dict and isinstance(value, dict):
        if arguments[1] is Any:
            return dict(value)
        if arguments[1] is float and set(map(type, value.values())) <= {float}:
            return value
        known_only = {k: v for k, v in value.items() if v is not None}
        return {k: _read(arguments[1], v, f"{where}[{k!r}]") for k, v in known_only.items()}
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind in (int, str) and type(value) is kind:
        return value
    raise ValueError(f"{where} is {value!r:.60}, not {getattr(kind, '__name__', kind)}")


def _read_fields(kind: Any, value: dict[str, Any], where: str) -> Any:
    hints, required = _fields(kind)
    if unknown := value.keys() - hints.keys():
        raise ValueError(f"{where} has unknown fields: {', '.join(sorted(unknown))}")
    if absent := required - value.keys():
        raise ValueError(f"{where} lacks {', '.join(sorted(absent))}")
    return kind(**{name: _read(hints[name], entry, f"{where}.{name}") for name, entry in value.items()})


@cache
def _parts(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    return get_origin(kind), get_args(kind)


@cache
def _fields(kind: Any) -> tuple[dict[str, Any], set[str]]:
    """The types of a dataclass's fields by name, and the names of those without a default."""
    required = {
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    return get_type_hints(kind), required


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _not_finite(text)


def _not_finite(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a finite number")
