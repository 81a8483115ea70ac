"""What a source of records offers: records, their items, and what else runs left behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from registry.vocabulary import Answers, ItemScore, ShownClip, StressScores
from results.record import RunRecord


@dataclass(frozen=True)
class Unreadable:
    """A file in the store that is no readable record, and why."""

    path: Path
    reason: str


class Records(list[RunRecord]):
    """The readable records of a store, ordered by hash, with the files that could not be read."""

    def __init__(
        self,
        records: Iterable[RunRecord] = (),
        unreadable: Iterable[Unreadable] = (),
        notes: Iterable[str] = (),
        names: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(records)
        self.unreadable = list(unreadable)
        self.notes = list(notes)
        """What a reader must know of how the records came together, one line each."""
        self.names = dict(names or {})
        """Short names that were given to components, by the component in full; they decide nothing."""


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

    def answers(self, run_hash: str) -> Answers | None:
        """What a run answered on its test split; None where that was not kept.

        Raises:
            RecordError: it is there but cannot be read.
        """

    def stress(self, run_hash: str) -> StressScores | None:
        """What a run scored under conditions; None where that was not measured.

        Raises:
            RecordError: it is there but cannot be read.
        """

    def gallery(self, run_hash: str) -> tuple[ShownClip, ...]:
        """Clips of a run to be looked at; empty where none were kept.

        Raises:
            RecordError: they are there but cannot be read.
        """

    def fingerprint(self) -> str | None:
        """Text that changes with any record or item; None where only reading them would tell."""
