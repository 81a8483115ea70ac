"""What an output folder was last asked for, what is done of it and what runs right now."""

from __future__ import annotations

import json
import socket
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmark.launch.lease import Lease
from benchmark.runtime.progress import Progress
from results.record import RunRecord
from results.store.files import write_atomically
from results.store.serialise import RecordError
from results.store.store import Store

if TYPE_CHECKING:
    from benchmark.grid.grid import RunSpec

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
    work: float = 0.0
    """What it was expected to cost, in proportion to the others; 0 where nobody asked."""


@dataclass(frozen=True)
class Plan:
    """What an output folder was last asked for."""

    cells: tuple[PlannedCell, ...] = ()
    jobs: int = 1
    """Cells at a time."""


def identify(specs: Iterable[RunSpec]) -> list[Cell]:
    """The cells with their hashes.

    Raises:
        UserError: data or weights that are not there.
    """
    # Brings the registered classes along, which whoever only reads a plan is spared.
    from benchmark.grid.identity import Identities

    identities = Identities()
    return [Cell(spec, identities.run_hash(spec), identities.code(spec)) for spec in specs]


def write_plan(output: Path, cells: Iterable[Cell], work: Mapping[str, float] | None = None, jobs: int = 1) -> None:
    """Keep what was asked for last as `<output>/plan.json`.

    Args:
        work: from `benchmark.launch.schedule`, by hash.
        jobs: cells at a time.

    Raises:
        UserError: the output cannot be written.
    """
    amounts = work or {}
    planned = [PlannedCell(c.hash, c.spec.slug, c.spec.title, amounts.get(c.hash, 0.0)) for c in cells]
    content = {"jobs": jobs, "cells": [asdict(cell) for cell in planned]}
    write_atomically(output / "plan.json", json.dumps(content, indent=1).encode())


def read_plan(output: Path) -> Plan:
    """What was asked for last; without cells where there is no readable plan."""
    try:
        content = json.loads((output / "plan.json").read_bytes())
        return Plan(tuple(PlannedCell(**cell) for cell in content["cells"]), int(content["jobs"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return Plan()


class Marker:
    """A small file that says how far a running cell is; whether it runs at all, its lease tells."""

    def __init__(self, output: Path, run_hash: str) -> None:
        self._path = output / "running" / f"{run_hash}.json"
        self._lease = Lease(output, run_hash)

    def write(self, pid: int | None, progress: Progress | None = None) -> None:
        """Say where the cell stands that this host's process `pid` runs."""
        at = f"{progress.phase}, epoch {progress.epoch} of {progress.epochs}" if progress else "starting"
        facts = {"pid": pid, "host": socket.gethostname(), "at": at, "fraction": progress.fraction if progress else 0.0}
        write_atomically(self._path, json.dumps(facts).encode())

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)

    def read(self) -> tuple[str, float] | None:
        """Where the cell stands and the share that is done, or None where no process has its lease."""
        if not self._lease.is_held():
            return None
        try:
            marker = json.loads(self._path.read_bytes())
            return f"{marker['at']} on {marker['host']}", float(marker["fraction"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return "starting", 0.0


def standing(store: Store, cell: PlannedCell | Cell) -> tuple[Standing, str]:
    """Where a cell stands, and a few words more: its score, its failure or its epoch."""
    if at := Marker(store.output, cell.hash).read():
        return "running", at[0]
    try:
        record = store.read(cell.hash)
    except RecordError as error:
        return "waiting", str(error)
    if record is None:
        return "waiting", ""
    return ("done" if record.status == "completed" else "failed"), outcome(record)


def seconds_left(plan: Plan, store: Store) -> float | None:
    """How long the rest of the plan will take, judged by what is done of it; None where nothing is to judge by."""
    rates, rest = [], []
    for cell in plan.cells:
        at, _ = standing(store, cell)
        if at == "done" and cell.work and (record := store.read(cell.hash)) and record.train_seconds:
            rates.append(record.train_seconds / cell.work)
        elif at in ("waiting", "running"):
            running = Marker(store.output, cell.hash).read() if at == "running" else None
            rest.append(cell.work * (1 - running[1] if running else 1))
    if not rates or not rest:
        return None
    return statistics.median(rates) * max(sum(rest) / plan.jobs, *rest)


def outcome(record: RunRecord) -> str:
    """A record in a few words: its test score, or why it failed."""
    if record.failure:
        return f"{record.failure.kind}: {record.failure.message}"
    score = record.scores.get(record.primary_metric)
    return "no score" if score is None else f"{record.primary_metric} {score:.1f}"
