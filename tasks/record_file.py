"""Records of equal size on disk: written once, read one at a time, going on where a writer was cut off.

A folder holds `records.bin`, `notes.jsonl` with a line for each record, and `index.json`, which is written last. A
record is a row of arrays of fixed shapes; its line holds whatever JSON belongs to it and the CRC-32 of its bytes. The
index has the digest of all lines.
Nothing here needs torch: processes that only render or decode do without it.

Records are read, not mapped: pages of a mapping count as memory of the run, and a file cut short would kill it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from registry.errors import DataError

_RECORDS, _NOTES, _INDEX, _FIELDS = "records.bin", "notes.jsonl", "index.json", "fields.json"
_ALIGNMENT = 64
_TOGETHER = 64
"""Records that are checked at a time."""
_MEND = "delete its folder, and the next run makes it again."
_UNREADABLE = (OSError, ValueError, KeyError, TypeError)

logger = logging.getLogger(__name__)


class UnevenRecordsError(ValueError):
    """Records whose arrays differ in name, type or shape."""


class DamagedRecordError(DataError):
    """A record that is missing, cut short or of another checksum than when it was written."""


@dataclass(frozen=True)
class Field:
    """An array that every record has."""

    name: str
    dtype: str
    """Numpy's name for it, or torch's where numpy has none; `itemsize` are its bytes."""
    itemsize: int
    shape: tuple[int, ...]
    stored: tuple[int, ...]
    """The shape on disk: 1 where an axis repeats the same values."""

    @property
    def bytes(self) -> int:
        return math.prod(self.stored) * self.itemsize

    @property
    def padded(self) -> int:
        """Bytes up to the next field, which begins where any type may."""
        return -(-self.bytes // _ALIGNMENT) * _ALIGNMENT


@dataclass(frozen=True)
class Record:
    """What is written: the values of each field, contiguous and of its stored shape, and a note in JSON's types."""

    fields: tuple[Field, ...]
    values: tuple[np.ndarray, ...]
    note: Any = None

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray], note: Any = None) -> Record:
        """A record of numpy arrays by name."""
        values = tuple(np.ascontiguousarray(array) for array in arrays.values())
        fields = (Field(n, v.dtype.name, v.itemsize, v.shape, v.shape) for n, v in zip(arrays, values, strict=True))
        return cls(tuple(fields), values, note)


class RecordFile:
    """Records that `write_once` wrote.

    Raises:
        OSError, ValueError, KeyError, TypeError: the folder does not hold them whole.
    """

    def __init__(self, folder: Path) -> None:
        index = json.loads((folder / _INDEX).read_bytes())
        self.fields = _fields_from(index["fields"])
        self.places = dict(zip([f.name for f in self.fields], _offsets(self.fields), strict=False))
        """Where each field begins in a record, in bytes."""
        described = (folder / _NOTES).read_bytes()
        if index["digest"] != _digest(described, self.fields):
            raise ValueError(f"{folder} is not as it was written")
        lines = [json.loads(line) for line in described.splitlines()]
        self.notes = [note for note, _ in lines]
        self._checksums = [checksum for _, checksum in lines]
        self._file, self._bytes = folder / _RECORDS, _record_bytes(self.fields)
        if len(lines) != index["count"] or self._file.stat().st_size != index["count"] * self._bytes:
            raise ValueError(f"{folder} is incomplete")

    def __len__(self) -> int:
        return len(self.notes)

    def read(self, indices: Iterable[int]) -> list[np.ndarray]:
        """The bytes of each of these records: (bytes,) uint8, see `places`.

        Raises:
            DamagedRecordError: the file cannot be read or is cut short, or a checksum is wrong.
        """
        try:
            with self._file.open("rb", buffering=0) as file:
                return [self._read(file.fileno(), index) for index in indices]
        except OSError as error:
            raise DamagedRecordError(f"{self._file} cannot be read ({error.strerror or error}); {_MEND}") from None

    def arrays(self, index: int) -> dict[str, np.ndarray]:
        """The arrays of one record by name; types that numpy lacks are left as bytes."""
        (record,) = self.read([index])
        return {field.name: _array(record, self.places[field.name], field) for field in self.fields}

    def _read(self, descriptor: int, index: int) -> np.ndarray:
        record = np.empty(self._bytes, np.uint8)
        if os.preadv(descriptor, [record.data], index * self._bytes) != self._bytes:
            raise DamagedRecordError(f"{self._file} ends within record {index}; {_MEND}")
        if zlib.crc32(record.data) != self._checksums[index]:
            raise DamagedRecordError(f"{self._file} is damaged at record {index}; {_MEND}")
        return record


def write_once(
    folder: Path, count: int, records_from: Callable[[int], Iterable[Record]], check: bool = False
) -> RecordFile:
    """The records in `folder`, which are made and written unless a process before did.

    Processes that ask for the same folder wait for the one that writes. A writer that was cut off is continued.

    Args:
        count: how many there are.
        records_from: the records from a place on, in order.
        check: read every record that a process before has written, and make them again if one is damaged; without it
            a damaged one is told when it is read.

    Raises:
        UnevenRecordsError: records that differ in their fields.
        OSError: the folder cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        with suppress(*_UNREADABLE):
            return _as_written(folder, check)
        shutil.rmtree(folder, ignore_errors=True)
        partial = folder.with_name(f"{folder.name}.partial")
        partial.mkdir(exist_ok=True)
        fields = _append(partial, count, records_from)
        digest = _digest((partial / _NOTES).read_bytes(), fields)
        index = {"count": count, "fields": [asdict(field) for field in fields], "digest": digest}
        (partial / _INDEX).write_text(json.dumps(index))
        partial.rename(folder)
        return RecordFile(folder)


def _as_written(folder: Path, check: bool) -> RecordFile:
    found = RecordFile(folder)
    try:
        for start in range(0, len(found) if check else 0, _TOGETHER):
            found.read(range(start, min(start + _TOGETHER, len(found))))
    except DamagedRecordError as error:
        logger.warning("%s They are made again.", str(error).partition(";")[0] + ".")
        raise ValueError from None
    return found


def _digest(notes: bytes, fields: Iterable[Field]) -> str:
    """Of all that is kept beside the records' bytes."""
    return hashlib.sha256(json.dumps([asdict(field) for field in fields]).encode() + b"\n" + notes).hexdigest()


def _append(folder: Path, count: int, records_from: Callable[[int], Iterable[Record]]) -> tuple[Field, ...]:
    """Write what is missing; the fields of all records."""
    fields = _described(folder / _FIELDS)
    done = _whole_records(folder, fields) if fields else 0
    records = iter(records_from(done) if done < count else ())
    if not fields:
        first = next(records)
        fields, records = first.fields, chain([first], records)
        (folder / _FIELDS).write_text(json.dumps([asdict(field) for field in fields]))
    size = done * _record_bytes(fields)
    with _opened_at(folder / _RECORDS, size) as file, _opened_at(folder / _NOTES, _length(folder, done)) as notes:
        for record in records:
            if record.fields != fields:
                raise UnevenRecordsError("records differ in their fields or shapes")
            content = _content(record)
            file.write(content)
            notes.write(json.dumps([record.note, zlib.crc32(content)]).encode() + b"\n")
    return fields


def _content(record: Record) -> bytes:
    pieces = zip(record.fields, record.values, strict=True)
    return b"".join(part for field, value in pieces for part in (value.tobytes(), bytes(field.padded - field.bytes)))


def _array(record: np.ndarray, place: int, field: Field) -> np.ndarray:
    content = record[place : place + field.bytes]
    try:
        dtype = np.dtype(field.dtype)
    except TypeError:
        return content
    values = content.view(dtype).reshape(field.stored)
    return values if field.shape == field.stored else np.broadcast_to(values, field.shape)


def _offsets(fields: Iterable[Field]) -> list[int]:
    return list(accumulate((field.padded for field in fields), initial=0))


def _record_bytes(fields: Iterable[Field]) -> int:
    return _offsets(fields)[-1]


def _described(file: Path) -> tuple[Field, ...]:
    with suppress(*_UNREADABLE):
        return _fields_from(json.loads(file.read_bytes()))
    return ()


def _fields_from(described: list[dict[str, Any]]) -> tuple[Field, ...]:
    return tuple(Field(**{**f, "shape": tuple(f["shape"]), "stored": tuple(f["stored"])}) for f in described)


def _whole_records(folder: Path, fields: tuple[Field, ...]) -> int:
    """How many records both files hold whole."""
    with suppress(OSError):
        lines = (folder / _NOTES).read_bytes().count(b"\n")
        size = _record_bytes(fields)
        return min(lines, (folder / _RECORDS).stat().st_size // size) if size else lines
    return 0


def _length(folder: Path, lines: int) -> int:
    """The bytes of the first notes."""
    return sum(map(len, (folder / _NOTES).read_bytes().splitlines(keepends=True)[:lines])) if lines else 0


def _opened_at(file: Path, size: int) -> Any:
    """A file for appending, cut to its first `size` bytes."""
    file.touch()
    os.truncate(file, size)
    return file.open("ab")
