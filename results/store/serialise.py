"""A record as JSON text and back: numbers are finite, unknown is null, and nothing malformed gets through."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import types
from collections.abc import Iterable, Mapping
from functools import cache
from numbers import Integral, Real
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from results.record import RunRecord
from results.store.migration import to_present

T = TypeVar("T")

_FILE_NAME = re.compile(r"[A-Za-z0-9_-]{1,200}")
_HALF_A_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")
LARGEST = 1e100
"""Numbers beyond it are none that anybody measured, and their squares or sums would be no numbers."""
LARGEST_COUNT = 2**63 - 1
DEEPEST = 100
LONGEST_NAME = 4096
"""Characters of a component, a metric or another word of which tables are made."""


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
        return parse(text)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{source}: not readable as JSON ({error})") from None


def parse(text: str | bytes) -> Any:
    """JSON in UTF-8 whose numbers can be computed with and whose text can be written.

    Raises:
        ValueError: no JSON, a number beyond `LARGEST` or none at all, or half a character.
        RecursionError: it is nested far too deeply.
    """
    text = text if isinstance(text, str) else text.decode()
    content = json.loads(text, parse_float=_finite, parse_int=_count, parse_constant=_not_finite)
    refuse_half_characters(text, content)
    level, depth = [content], 0
    while level := [inner for outer in level for inner in _inside(outer)]:
        depth += 1
        if depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} deep")
    return content


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def refuse_half_characters(text: str, content: Any) -> None:
    """Raise ValueError where JSON names one half of a character without the other, which no file can hold."""
    if _HALF_A_CHARACTER.search(text):
        json.dumps(content, ensure_ascii=False).encode()


def check(record: RunRecord, source: str) -> None:
    """Refuse a record that contradicts itself.

    Raises:
        RecordError: completed without a finite primary score, failed without a reason, a negative count, a name beyond
            all bounds, or a hash unfit for a file name.
    """
    if wrong := _unlikely(record):
        raise RecordError(f"{source}: {wrong}")
    if not _FILE_NAME.fullmatch(record.hash):
        raise RecordError(f"{source}: hash {record.hash!r} is not of letters, digits, '-' and '_'")
    if record.status == "failed" and record.failure is None:
        raise RecordError(f"{source}: failed, but without a failure")
    if record.status == "completed":
        if record.failure is not None:
            raise RecordError(f"{source}: completed, but with a failure")
        if not abs(float(record.scores.get(record.primary_metric, math.nan))) <= LARGEST:
            raise RecordError(f"{source}: completed, but without a score for {record.primary_metric!r}")


def _unlikely(record: RunRecord) -> str:
    """What no run leaves behind, in a few words; empty where all is well."""
    names = (record.slug, record.backbone, record.adapter, record.task, record.protocol, record.primary_metric)
    words = (*names, record.data or "", *record.labels, *record.versions.values(), *record.scores, *record.weights)
    if long := max(map(len, words)) > LONGEST_NAME and max(words, key=len):
        return f"it names something in {len(long)} characters ({long[:20]}…), expected {LONGEST_NAME} at most"
    counted = vars(record.parameters) if record.parameters else {}
    counts = {**counted, "total_as_published": record.total_as_published, "checkpoint_bytes": record.checkpoint_bytes}
    negative = [f"{name} {count}" for name, count in counts.items() if count is not None and count < 0]
    return f"it counts less than nothing: {negative[0]}" if negative else ""


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        # Names of files may hold bytes that are no text.
        return value.encode(errors="backslashreplace").decode()
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if abs(float(value)) <= LARGEST else None
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
    return number if abs(number) <= LARGEST else _not_finite(text)


def _count(text: str) -> int:
    number = int(text) if len(text) < 30 else LARGEST_COUNT + 1
    return number if abs(number) <= LARGEST_COUNT else _not_finite(text)


def _not_finite(text: str) -> NoReturn:
    raise ValueError(f"{text:.40} is no number that can be computed with")
