"""The folder of records: one JSON file for each run, its test items beside it."""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path, PurePath
from typing import Protocol

from registry.files import read_regular
from registry.text import printable
from registry.vocabulary import ItemScore
from results.record import RunRecord
from results.store.files import unwritable, write_atomically
from results.store.serialise import LARGEST, RecordError, from_json, refuse_half_characters, to_json

_FIELDS = itemgetter(*ItemScore._fields)
MOST_RECORD_BYTES = 64 * 2**20
MOST_ITEM_BYTES = 512 * 2**20
"""Of the items of one run, unpacked."""


@dataclass(frozen=True)
class Unreadable:
    """A file in the store that is no readable record, and why."""

    path: Path
    reason: str


class Records(list[RunRecord]):
    """The readable records of a store, ordered by hash, with the files that could not be read."""

    def __init__(
        self, records: Iterable[RunRecord] = (), unreadable: Iterable[Unreadable] = (), notes: Iterable[str] = ()
    ) -> None:
        super().__init__(records)
        self.unreadable = list(unreadable)
        self.notes = list(notes)
        """What a reader must know of how the records came together, one line each."""


class RecordSource(Protocol):
    """Where records come from: a folder, a place elsewhere, or several as one."""

    @property
    def place(self) -> str:
        """Where it is, for people."""

    def load(self) -> Records:
        """Every record that can be read, ordered by hash."""

    def items(self, run_hash: str) -> list[ItemScore]:
        """The scored test items of a run; empty where none were kept.

        Raises:
            RecordError: they are there but cannot be read.
        """

    def fingerprint(self) -> str | None:
        """Text that changes with any record or item; None where only reading them would tell."""


class Store:
    """Records under `<output>/records`, items under `<output>/items`. Making one touches no disk."""

    def __init__(self, output: Path) -> None:
        self.output = Path(output)

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return str(self.output)

    def prepare(self) -> None:
        """Make the folders and prove that they can be written, so that a long run does not fail at its end.

        Raises:
            UserError: the output cannot be written.
        """
        probe = self.output / "records" / ".writable"
        write_atomically(probe, b"")
        try:
            probe.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(probe, error) from None

    def write(self, record: RunRecord, items: Iterable[ItemScore] = ()) -> bool:
        """Keep a record, its items first: a record that can be read is whole.

        A completed record is never rewritten; a failed one gives way to the next attempt; a file that cannot be read is
        moved aside to `<hash>.json.unreadable`.

        Returns:
            Whether it was written; False where a completed record stands already.

        Raises:
            RecordError: the record or an item holds what JSON cannot say.
            UserError: the output cannot be written.
        """
        text = to_json(record)
        path = self._record_path(record.hash)
        if self.completed(record.hash):
            return False
        if content := _items_to_bytes(items, record.hash):
            write_atomically(self._items_path(record.hash), content)
        _move_aside_if_unreadable(path)
        write_atomically(path, text.encode())
        return True

    def read(self, run_hash: str) -> RunRecord | None:
        """The record of this hash, or None where there is none.

        Raises:
            RecordError: the file is there but is no record of this hash.
        """
        path = self._record_path(run_hash)
        return _read(path) if os.path.lexists(path) else None

    def load(self) -> Records:
        """Every record that can be read; `.unreadable` lists the files that cannot, so that none vanishes unseen."""
        records: list[RunRecord] = []
        unreadable: list[Unreadable] = []
        folder = self.output / "records"
        try:
            paths = sorted(path for path in folder.iterdir() if path.suffix == ".json")
        except FileNotFoundError:
            return Records()
        except OSError as error:
            return Records(unreadable=[Unreadable(folder, f"{folder}: {error.strerror or error}")])
        for path in paths:
            try:
                records.append(_read(path))
            except RecordError as error:
                unreadable.append(Unreadable(path, str(error)))
        return Records(records, unreadable)

    def items(self, run_hash: str) -> list[ItemScore]:
        """The scored test items of a run; empty where none were kept.

        Raises:
            RecordError: the file is there but cannot be read.
        """
        path = self._items_path(run_hash)
        try:
            content = read_regular(path, MOST_ITEM_BYTES)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RecordError(f"{path}: {error.strerror or error}") from None
        return items_from_bytes(content, str(path))

    def fingerprint(self) -> str | None:
        """The place, and the name, size and times of every file of records and items, which takes no reading.

        None where a folder cannot be listed or a file vanishes meanwhile.
        """
        facts = [printable(self.place)]
        try:
            for folder in (self.output / "records", self.output / "items"):
                for path in sorted(folder.iterdir()) if folder.exists() else ():
                    found = path.stat()
                    facts.append(f"{printable(path.name)} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}")
        except OSError:
            return None
        return "\n".join(facts)

    def completed(self, run_hash: str) -> bool:
        """Whether this run has a completed record; one that cannot be read does not count."""
        try:
            record = self.read(run_hash)
        except RecordError:
            return False
        return record is not None and record.status == "completed"

    def missing(self, hashes: Iterable[str]) -> list[str]:
        """Those that have no completed record, in the given order."""
        return [run_hash for run_hash in hashes if not self.completed(run_hash)]

    def _record_path(self, run_hash: str) -> Path:
        return self.output / "records" / f"{run_hash}.json"

    def _items_path(self, run_hash: str) -> Path:
        return self.output / "items" / f"{run_hash}.json.gz"


def _read(path: Path) -> RunRecord:
    try:
        return record_from_bytes(read_regular(path, MOST_RECORD_BYTES), str(path))
    except OSError as error:
        raise RecordError(f"{printable(str(path))}: {error.strerror or error}") from None


def record_from_bytes(content: bytes, path: str) -> RunRecord:
    """The record of a file `<hash>.json`.

    Raises:
        RecordError: no record, or one of another hash.
    """
    record = from_json(content, printable(path))
    if record.hash != PurePath(path).stem:
        # A copy under another name would count one run twice.
        raise RecordError(f"{printable(path)}: holds the record {record.hash}")
    return record


def items_from_bytes(content: bytes, path: str) -> list[ItemScore]:
    """The items of a file `<hash>.json.gz`.

    Raises:
        RecordError: not a readable list of items.
    """
    try:
        # Once for all items rather than one by one: a large leaderboard reads millions of them.
        text = _unpacked(content).decode()
        entries = json.loads(text)
        refuse_half_characters(text, entries)
        found = [ItemScore(*_FIELDS(entry)) for entry in entries]
        items, scores, kinds = (set(map(type, column)) for column in zip(*found, strict=True)) if found else [set()] * 3
        if not (items | kinds <= {str} and scores <= {float, int}):
            raise TypeError("an item without text for its name and kind or without a number for its score")
        if not _can_be_computed([item.score for item in found]):
            raise ValueError("a score that is no number to compute with")
        return found
    except (OSError, EOFError, ArithmeticError, ValueError, KeyError, TypeError, RecursionError, zlib.error) as error:
        raise RecordError(f"{path}: not a readable list of items ({error})") from None


def _can_be_computed(scores: list[float]) -> bool:
    # Two passes in C, however many there are; what is no number makes the sum none.
    return not scores or (math.isfinite(sum(scores)) and max(max(scores), -min(scores)) <= LARGEST)


def _unpacked(content: bytes) -> bytes:
    with gzip.open(io.BytesIO(content)) as file:
        unpacked = file.read(MOST_ITEM_BYTES + 1)
    if len(unpacked) > MOST_ITEM_BYTES:
        raise ValueError(f"it unpacks to more than {MOST_ITEM_BYTES // 2**20} MB")
    return unpacked


def _move_aside_if_unreadable(path: Path) -> None:
    try:
        if os.path.lexists(path):
            _read(path)
    except RecordError:
        os.replace(path, path.with_name(f"{path.name}.unreadable"))


def _items_to_bytes(items: Iterable[ItemScore], run_hash: str) -> bytes:
    entries = [{"item": str(i.item), "score": float(i.score), "kind": str(i.kind)} for i in items]
    if not entries:
        return b""
    try:
        return gzip.compress(json.dumps(entries, allow_nan=False).encode(), mtime=0)
    except ValueError as error:
        raise RecordError(f"items of {run_hash}: {error}") from None
