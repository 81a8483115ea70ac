"""A queue of one process per cell on this machine.

Each cell gets a fresh process, which isolates memory, CUDA errors and mmengine's global state. On the processor they
are forked from a server that has imported the heavy parts already; with CUDA they are spawned, because an import that
merely asks for a GPU makes CUDA unusable in forked children.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from benchmark.launch.child import Broken, Finished, Job, Message, Train, last_lines, work
from benchmark.plan import Cell, Marker
from benchmark.progress import Progress
from results.record import Failure, RunRecord
from results.serialise import RecordError
from results.store import ScoredItem, Store

HEAVY_PARTS = ["benchmark.worker"]
# glibc gives the large tensors of each step back to the system and faults their pages in again at the next one, which
# is a large part of a small one. Children keep them instead; other allocators read none of this.
KEEP_FREED_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**32),
    "MALLOC_TOP_PAD_": str(2**27),
}
SECONDS_TO_END = 10.0


@dataclass(frozen=True)
class Placement:
    """Where cells run."""

    device: str
    """`cpu` or `cuda`."""
    jobs: int
    """Cells at a time."""
    plugins: tuple[str, ...] = ()

    @property
    def threads(self) -> int:
        """Processor threads for each cell. It depends on `jobs` alone, so that a cell run again gives equal numbers."""
        return max(1, cores() // self.jobs)


class Observer(Protocol):
    """Told of everything that happens to cells."""

    def started(self, cell: Cell) -> None: ...
    def progressed(self, cell: Cell, progress: Progress) -> None: ...
    def ended(self, cell: Cell, record: RunRecord) -> None: ...


@dataclass
class Outcome:
    """How a launch went."""

    completed: int = 0
    failed: int = 0
    users_mistakes: int = 0
    """Those of the failed that the user can mend."""


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def launch(
    cells: Sequence[Cell], store: Store, placement: Placement, observer: Observer, train: Train | None = None
) -> Outcome:
    """Run every cell, longest recipes first, and write its record; a cell that fails is recorded and the rest go on.

    Args:
        train: replaces `benchmark.training.train`; importable by name, since it travels to another process.

    Raises:
        UserError: the output cannot be written.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the children have ended by then.
    """
    queue = _Queue(store, placement, observer, train)
    waiting = deque(sorted(cells, key=lambda cell: -cell.spec.recipe.epochs))
    with _terminated_as_interrupted():
        try:
            while waiting or queue.running:
                while waiting and len(queue.running) < placement.jobs:
                    queue.start(waiting.popleft())
                queue.attend()
        finally:
            queue.end_all()
    return queue.outcome


@dataclass
class _Running:
    cell: Cell
    process: BaseProcess
    connection: Connection
    marker: Marker
    log: Path
    started: str
    last: Finished | Broken | None = None
    epoch: int = -1


class _Queue:
    """The cells that run now."""

    def __init__(self, store: Store, placement: Placement, observer: Observer, train: Train | None) -> None:
        self._store, self._placement, self._observer, self._train = store, placement, observer, train
        for name, value in KEEP_FREED_MEMORY.items():
            os.environ.setdefault(name, value)
        self._context: Any = multiprocessing.get_context("spawn" if placement.device == "cuda" else "forkserver")
        if placement.device != "cuda":
            self._context.set_forkserver_preload(HEAVY_PARTS)
        self.running: list[_Running] = []
        self.outcome = Outcome()

    def start(self, cell: Cell) -> None:
        log = self._store.output / "logs" / f"{cell.spec.slug}.log"
        placement = self._placement
        job = Job(cell.spec, cell.hash, placement.device, placement.threads, log, placement.plugins, self._train)
        ours, theirs = self._context.Pipe()
        # Not a daemon: those may not have children, and data loaders are.
        process = self._context.Process(target=work, args=(job, theirs), name=cell.spec.slug)
        process.start()
        theirs.close()
        marker = Marker(self._store.output, cell.hash)
        self.running.append(_Running(cell, process, ours, marker, log, _now()))
        marker.write(process.pid)
        self._observer.started(cell)

    def attend(self) -> None:
        """Wait until something happens, then listen to every child and settle those that have ended."""
        wait([waited for r in self.running for waited in (r.connection, r.process.sentinel)])
        for running in list(self.running):
            has_ended = not running.process.is_alive()
            for message in _drain(running.connection):
                self._hear(running, message)
            if running.last is not None or has_ended:
                self._settle(running)

    def end_all(self) -> None:
        """End whatever still runs."""
        for running in self.running:
            running.process.terminate()
        for running in self.running:
            _end(running.process)
            running.marker.remove()
        self.running.clear()

    def _hear(self, running: _Running, message: Message) -> None:
        if not isinstance(message, Progress):
            running.last = message
            return
        if message.epoch != running.epoch:
            running.epoch = message.epoch
            running.marker.write(running.process.pid, message)
        self._observer.progressed(running.cell, message)

    def _settle(self, running: _Running) -> None:
        _end(running.process)
        self.running.remove(running)
        running.connection.close()
        record = self._write(running)
        running.marker.remove()
        self.outcome.completed += record.status == "completed"
        self.outcome.failed += record.status == "failed"
        self.outcome.users_mistakes += isinstance(running.last, Broken) and running.last.users_mistake
        self._observer.ended(running.cell, record)

    def _write(self, running: _Running) -> RunRecord:
        record, items = _outcome(running)
        try:
            self._store.write(record, items)
        except RecordError as error:
            record = _failed(running, Failure("error", str(error)))
            self._store.write(record)
        return record


def _outcome(running: _Running) -> tuple[RunRecord, Sequence[ScoredItem]]:
    if isinstance(running.last, Finished):
        return replace(running.last.record, code=running.cell.code), running.last.items
    if isinstance(running.last, Broken):
        return _failed(running, running.last.failure), ()
    return _failed(running, _silent_death(running.process.exitcode, last_lines(running.log))), ()


def _silent_death(exit_code: int | None, log: str) -> Failure:
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        hint = "; often the system ran out of memory" if name == "SIGKILL" else ""
        return Failure("killed", f"its process was ended by {name}{hint}", log)
    return Failure("error", f"its process ended without a result, exit status {exit_code}", log)


def _failed(running: _Running, failure: Failure) -> RunRecord:
    spec = running.cell.spec
    asked = {**spec.as_dict(), "hash": running.cell.hash, "slug": spec.slug, "code": running.cell.code}
    return RunRecord(**asked, status="failed", started=running.started, finished=_now(), failure=failure)


def _drain(connection: Connection) -> Iterator[Message]:
    # The other end closes when the child ends, which poll reports as something to read.
    with suppress(EOFError, OSError):
        while connection.poll():
            yield connection.recv()


def _end(process: BaseProcess) -> None:
    process.join(SECONDS_TO_END if process.exitcode is None else 0)
    if process.exitcode is None:
        process.kill()
        process.join()


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends children as Ctrl-C does, rather than leaving them behind."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
