"""The folder of records: one JSON file for each run, its test items beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath

from registry.files import read_regular
from registry.text import printable
from registry.vocabulary import Answers, ItemScore, ShownClip, StressScores
from results.record import RunRecord
from results.store.files import unwritable, write_atomically
from results.store.gallery import MOST_GALLERY_BYTES, gallery_from_bytes, gallery_to_bytes
from results.store.items import MOST_ITEM_BYTES, items_from_bytes, items_to_bytes
from results.store.serialise import RecordError, from_json, to_json
from results.store.source import Records, Unreadable

NAMES = "names.json"
MOST_RECORD_BYTES = 64 * 2**20


class Store:
    """Records under `<output>/records`, short names in `names.json`, and what runs left in `items`, `answers`,
    `gallery` and `stress`.

    Making one touches no disk.
    """

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

    def write(
        self, record: RunRecord, items: Iterable[ItemScore] = (), *, answers: Answers | None = None,
        with_probabilities: bool = True, gallery: Sequence[ShownClip] = (),
    ) -> bool:  # fmt: skip
        """Keep a record, its items, answers and gallery first: a record that can be read is whole.

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
        if content := items_to_bytes(items, record.hash):
            write_atomically(self._items_path(record.hash), content)
        if answers is not None:
            # Commands that write none are spared numpy.
            from results.store.answers import answers_to_bytes  # noqa: PLC0415

            content = answers_to_bytes(answers, with_probabilities=with_probabilities)
            write_atomically(self._answers_path(record.hash), content)
        if gallery:
            write_atomically(self._gallery_path(record.hash), gallery_to_bytes(gallery))
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
        names = {}
        try:
            names = self.names()
        except RecordError as error:
            unreadable.append(Unreadable(self.output / NAMES, str(error)))
        for path in paths:
            try:
                records.append(_read(path))
            except RecordError as error:
                unreadable.append(Unreadable(path, str(error)))
        return Records(records, unreadable, names=names)

    def names(self) -> dict[str, str]:
        """Short names that were given to components, by the component in full.

        Raises:
            RecordError: the file is there but holds none.
        """
        path = self.output / NAMES
        content = _content(path, MOST_RECORD_BYTES)
        return {} if content is None else names_from_bytes(content, str(path))

    def add_names(self, names: Mapping[str, str]) -> None:
        """Keep more short names; a component that has one already gets the new one.

        Raises:
            UserError: the output cannot be written.
        """
        try:
            known = self.names()
        except RecordError:
            known = {}
        if names and (merged := {**known, **names}) != known:
            write_atomically(self.output / NAMES, json.dumps(merged, indent=1, sort_keys=True).encode())

    def answers(self, run_hash: str) -> Answers | None:
        """What a run answered on its test split; None where that was not kept.

        Raises:
            RecordError: the file is there but cannot be read.
        """
        path = self._answers_path(run_hash)
        content = _content(path, MOST_ITEM_BYTES)
        if content is None:
            return None
        # Commands that read none are spared numpy.
        from results.store.answers import answers_from_bytes  # noqa: PLC0415

        return answers_from_bytes(content, str(path))

    def stress(self, run_hash: str) -> StressScores | None:
        """What a run scored under conditions; None where that was not measured.

        Raises:
            RecordError: the file is there but cannot be read.
        """
        path = self._stress_path(run_hash)
        content = _content(path, MOST_ITEM_BYTES)
        if content is None:
            return None
        from results.store.stress import stress_from_bytes  # noqa: PLC0415 (numpy)

        return stress_from_bytes(content, str(path), run_hash)

    def gallery(self, run_hash: str) -> tuple[ShownClip, ...]:
        """Clips of a run to be looked at; empty where none were kept.

        Raises:
            RecordError: the file is there but cannot be read.
        """
        path = self._gallery_path(run_hash)
        content = _content(path, MOST_GALLERY_BYTES)
        return () if content is None else gallery_from_bytes(content, str(path))

    def write_stress(self, run_hash: str, stress: StressScores) -> None:
        """Keep what a run scored under conditions, in place of what was kept before.

        Raises:
            UserError: the output cannot be written.
        """
        from results.store.stress import stress_to_bytes  # noqa: PLC0415 (numpy)

        write_atomically(self._stress_path(run_hash), stress_to_bytes(stress, run_hash))

    def items(self, run_hash: str) -> list[ItemScore]:
        """The scored test items of a run; empty where none were kept.

        Raises:
            RecordError: the file is there but cannot be read.
        """
        path = self._items_path(run_hash)
        content = _content(path, MOST_ITEM_BYTES)
        if content is None:
            return []
        return items_from_bytes(content, str(path))

    def fingerprint(self) -> str | None:
        """The place, and the name, size and times of every file of records and items, which takes no reading.

        None where a folder cannot be listed or a file vanishes meanwhile.
        """
        facts = [printable(self.place)]
        try:
            for folder in (self.output / part for part in ("records", "items", "answers", "stress", "gallery")):
                for path in sorted(folder.iterdir()) if folder.exists() else ():
                    found = path.stat()
                    facts.append(f"{printable(path.name)} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}")
            facts.append(str(sorted(self.names().items())))
        except (OSError, RecordError):
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

    def _answers_path(self, run_hash: str) -> Path:
        return self.output / "answers" / f"{run_hash}.npz"

    def _gallery_path(self, run_hash: str) -> Path:
        return self.output / "gallery" / f"{run_hash}.json.gz"

    def _stress_path(self, run_hash: str) -> Path:
        return self.output / "stress" / f"{run_hash}.npz"

    def _items_path(self, run_hash: str) -> Path:
        return self.output / "items" / f"{run_hash}.json.gz"


def _content(path: Path, most: int) -> bytes | None:
    """The bytes of a regular file; None where there is none."""
    try:
        return read_regular(path, most)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordError(f"{printable(str(path))}: {error.strerror or error}") from None


def _read(path: Path) -> RunRecord:
    content = _content(path, MOST_RECORD_BYTES)
    if content is None:
        raise RecordError(f"{printable(str(path))}: vanished while it was read")
    return record_from_bytes(content, str(path))


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


def names_from_bytes(content: bytes, path: str) -> dict[str, str]:
    """The content of a `names.json`.

    Raises:
        RecordError: no table of texts.
    """
    try:
        names = json.loads(content)
        if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
            raise TypeError("no table of texts")
    except (ValueError, TypeError, RecursionError) as error:
        raise RecordError(f"{path}: not readable names ({error})") from None
    return names


def _move_aside_if_unreadable(path: Path) -> None:
    try:
        if os.path.lexists(path):
            _read(path)
    except RecordError:
        os.replace(path, path.with_name(f"{path.name}.unreadable"))
