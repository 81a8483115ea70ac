"""What an output folder was last asked for, what is done of it and what runs right now."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from benchmark.grid import RunSpec
from benchmark.progress import Progress
from results.files import write_atomically
from results.record import RunRecord
from results.serialise import RecordError
from results.store import Store

Standing = Literal["done", "failed", "running", "waiting"]


@dataclass(frozen=True)
class Cell:
    """A cell with its identities."""

    spec: RunSpec
    hash: str
    code: str
    """Identity of the sources that decide its numbers."""


@dataclass(frozen=True)
class PlannedCell:
    """A cell as the plan file keeps it."""

    hash: str
    slug: str
    title: str


def identify(specs: Iterable[RunSpec]) -> list[Cell]:
    """The cells with their hashes.

    Raises:
        UserError: data or weights that are not there.
    """
    # Brings the registered classes along, which whoever only reads a plan is spared.
    from benchmark.identity import Identities

    identities = Identities()
    return [Cell(spec, identities.run_hash(spec), identities.code(spec)) for spec in specs]


def write_plan(output: Path, cells: Iterable[Cell]) -> None:
    """Keep what was asked for last as `<output>/plan.json`.

    Raises:
        UserError: the output cannot be written.
    """
    planned = [asdict(PlannedCell(cell.hash, cell.spec.slug, cell.spec.title)) for cell in cells]
    write_atomically(output / "plan.json", json.dumps({"cells": planned}, indent=1).encode())


def read_plan(output: Path) -> list[PlannedCell]:
    """The cells that were asked for last; empty where there is no readable plan."""
    try:
        return [PlannedCell(**cell) for cell in json.loads((output / "plan.json").read_bytes())["cells"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


class Marker:
    """A small file that says: this cell runs, in that process, and is so far."""

    def __init__(self, output: Path, run_hash: str) -> None:
        self._path = output / "running" / f"{run_hash}.json"

    def write(self, pid: int | None, progress: Progress | None = None) -> None:
        """Mark the cell as running in this host's process `pid`."""
        at = f"{progress.phase}, epoch {progress.epoch} of {progress.epochs}" if progress else "starting"
        write_atomically(self._path, json.dumps({"pid": pid, "host": socket.gethostname(), "at": at}).encode())

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)

    def read(self) -> str | None:
        """Where the cell stands, or None where nothing runs; a marker whose process is gone does not count."""
        try:
            marker = json.loads(self._path.read_bytes())
            return str(marker["at"]) if _alive(marker) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def standing(store: Store, cell: PlannedCell | Cell) -> tuple[Standing, str]:
    """Where a cell stands, and a few words more: its score, its failure or its epoch."""
    if at := Marker(store.output, cell.hash).read():
        return "running", at
    try:
        record = store.read(cell.hash)
    except RecordError as error:
        return "waiting", str(error)
    if record is None:
        return "waiting", ""
    return ("done" if record.status == "completed" else "failed"), outcome(record)


def outcome(record: RunRecord) -> str:
    """A record in a few words: its test score, or why it failed."""
    if record.failure:
        return f"{record.failure.kind}: {record.failure.message}"
    score = record.scores.get(record.primary_metric)
    return "no score" if score is None else f"{record.primary_metric} {score:.1f}"


def _alive(marker: dict[str, Any]) -> bool:
    """Whether the marker's process runs; of another host nobody can tell, so it is believed."""
    if marker["host"] != socket.gethostname():
        return True
    try:
        os.kill(int(marker["pid"]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
