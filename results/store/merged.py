"""Several stores as one: folders from several machines, and folders that lie elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from registry.errors import UserError
from registry.vocabulary import Answers, ItemScore, ShownClip, StressScores
from results.record import RunRecord
from results.store.source import Records, RecordSource, Unreadable
from results.store.store import Store


class Merged:
    """The records of several stores. A run that lies in several counts once: a completed copy, and of several the last.

    Nothing is averaged across stores that may not be: `results.table.groups` keeps runs apart that differ in data,
    recipe, protocol, weights or versions, wherever they lie.
    """

    def __init__(self, sources: Sequence[RecordSource]) -> None:
        self._sources = sources
        self._home: dict[str, RecordSource] = {}

    @property
    def place(self) -> str:
        """All of the places."""
        return ", ".join(source.place for source in self._sources)

    def load(self) -> Records:
        """The records of all stores, with a note for each run whose copies have different scores."""
        chosen: dict[str, RunRecord] = {}
        unreadable: list[Unreadable] = []
        notes: list[str] = []
        names: dict[str, str] = {}
        for source in self._sources:
            found = source.load()
            # The first place has the last word.
            names = {**found.names, **names}
            unreadable += found.unreadable
            for record in found:
                other = chosen.get(record.hash)
                if (
                    other is not None
                    and _score(other) != _score(record)
                    and "completed" in (other.status, record.status)
                ):
                    notes.append(_conflict(other, record, self._home[record.hash].place, source.place))
                if other is None or _standing(record) > _standing(other):
                    chosen[record.hash], self._home[record.hash] = record, source
        return Records([chosen[key] for key in sorted(chosen)], unreadable, notes, names)

    def items(self, run_hash: str) -> list[ItemScore]:
        """The items of the store whose record counts; `load` comes first."""
        home = self._home.get(run_hash)
        return home.items(run_hash) if home else []

    def answers(self, run_hash: str) -> Answers | None:
        """The answers of the store whose record counts; `load` comes first."""
        home = self._home.get(run_hash)
        return home.answers(run_hash) if home else None

    def stress(self, run_hash: str) -> StressScores | None:
        """Scores under conditions, of the store whose record counts; `load` comes first."""
        home = self._home.get(run_hash)
        return home.stress(run_hash) if home else None

    def gallery(self, run_hash: str) -> tuple[ShownClip, ...]:
        """Clips to be looked at, of the store whose record counts; `load` comes first."""
        home = self._home.get(run_hash)
        return home.gallery(run_hash) if home else ()

    def fingerprint(self) -> str | None:
        """Of all stores; None where one has none."""
        known = [source.fingerprint() for source in self._sources]
        return "\n".join(map(str, known)) if all(known) else None


def open_store(place: str | Path) -> RecordSource:
    """The store at a folder or at an fsspec URL such as `s3://bucket/runs`.

    Raises:
        UserError: there is no such folder, or the URL's protocol is unknown or lacks its package.
    """
    if "://" in str(place):
        from results.store.remote import RemoteStore  # noqa: PLC0415 (fsspec, for URLs alone)

        return RemoteStore(str(place))
    if not Path(place).is_dir():
        raise UserError(
            f"there is no folder {place}; give a folder that holds records/, or a URL such as s3://bucket/runs."
        )
    return Store(Path(place))


def _standing(record: RunRecord) -> tuple[bool, str]:
    return record.status == "completed", record.finished


def _score(record: RunRecord) -> tuple[str, float | None]:
    return record.status, record.scores.get(record.primary_metric)


def _conflict(first: RunRecord, second: RunRecord, first_place: str, second_place: str) -> str:
    told = " and ".join(
        f"{record.status} {record.scores.get(record.primary_metric, '')} in {place}".replace("  ", " ")
        for record, place in ((first, first_place), (second, second_place))
    )
    counts = second if _standing(second) > _standing(first) else first
    place = second_place if counts is second else first_place
    return f"{first.slug}: {told}; the one in {place} counts, the other enters no number"
