"""What an output folder was last asked for, what is done of it and what runs right now."""

from __future__ import annotations

import json
import socket
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmark.grid.cell import Cell
from benchmark.launch.lease import Lease
from benchmark.runtime.progress import Progress
from registry.errors import UserError
from registry.files import read_regular
from registry.text import printable, shortened
from results.record import RunRecord
from results.store.files import write_atomically
from results.store.serialise import RecordError, parse
from results.store.store import Store

MOST_PLAN_BYTES = 256 * 2**20
MOST_MARKER_BYTES = 2**16
MOST_SHOWN = 2000
"""Characters of a failure's message."""

Standing = Literal["done", "failed", "running", "waiting"]


@dataclass(frozen=True)
class Plan:
    """What an output folder was last asked for."""

    cells: tuple[Cell, ...] = ()
    work: Mapping[str, float] = field(default_factory=dict)
    """What each cell was expected to cost, by hash, in proportion to the others; empty where nobody asked."""
    jobs: int = 1
    """Cells at a time."""


def write_plan(output: Path, plan: Plan) -> None:
    """Keep what was asked for last as `<output>/plan.json`.

    Raises:
        UserError: the output cannot be written.
    """
    content = {"jobs": plan.jobs, "work": dict(plan.work), "cells": [cell.as_dict() for cell in plan.cells]}
    write_atomically(output / "plan.json", json.dumps(content, indent=1).encode())


def read_plan(output: Path) -> Plan | None:
    """What was asked for last; None where nothing was.

    Raises:
        UserError: the plan cannot be read.
    """
    path = output / "plan.json"
    try:
        content = parse(read_regular(path, MOST_PLAN_BYTES))
        cells = tuple(Cell.from_dict(facts) for facts in content["cells"])
        work, jobs = {str(k): float(v) for k, v in content["work"].items()}, int(content["jobs"])
        if jobs < 1 or min(work.values(), default=0) < 0:
            raise ValueError(f"jobs {jobs} or a cell's work is less than nothing")
        return Plan(cells, work, jobs)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, UserError) as error:
        raise UserError(f"{path} is not a readable plan ({_reason(error)}); run the grid again.") from None


def _reason(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return shortened(printable(reason or type(error).__name__), 200)


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
            marker = parse(read_regular(self._path, MOST_MARKER_BYTES))
            return printable(f"{marker['at']} on {marker['host']}"[:200]), float(marker["fraction"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return "starting", 0.0


def standing(store: Store, cell: Cell) -> tuple[Standing, str]:
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
        work = plan.work.get(cell.hash, 0.0)
        if at == "done" and work and (record := store.read(cell.hash)) and record.train_seconds:
            rates.append(record.train_seconds / work)
        elif at in ("waiting", "running"):
            running = Marker(store.output, cell.hash).read() if at == "running" else None
            rest.append(work * (1 - running[1] if running else 1))
    if not rates or not rest:
        return None
    return statistics.median(rates) * max(sum(rest) / plan.jobs, *rest)


def outcome(record: RunRecord) -> str:
    """A record in a few words: its test score, or why it failed."""
    if record.failure:
        return printable(f"{record.failure.kind}: {' '.join(shortened(record.failure.message, MOST_SHOWN).split())}")
    score = record.scores.get(record.primary_metric)
    return "no score" if score is None else f"{printable(record.primary_metric)} {score:.1f}"
