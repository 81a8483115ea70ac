"""A queue of one process per cell on this machine.

Each cell gets a fresh process, which isolates memory, CUDA errors and mmengine's global state.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType

from benchmark.grid.cell import Cell
from benchmark.launch.child import Message, Unwritable, work
from benchmark.launch.job import CellOutcome, Job, Train, last_lines, now, record_failure
from benchmark.launch.launcher import Observer, Outcome
from benchmark.launch.placement import Placement, Slot
from benchmark.launch.queue import Extractions, Waiting
from benchmark.launch.server import start_method
from benchmark.runtime.progress import Progress
from registry.errors import UserError
from results.record import Failure, RunRecord
from results.store.store import Store

SECONDS_TO_END = 10.0
LONGEST_WAIT = 24 * 3600.0
"""Seconds. The system counts what it waits in milliseconds of 31 bits."""
SECONDS_BETWEEN_LOOKS = 1.0
"""At cells that other grids train."""


def launch(
    cells: Sequence[Cell], store: Store, placement: Placement, observer: Observer, train: Train | None = None
) -> Outcome:
    """Run every cell in the given order and write its record; a cell that fails is recorded and the rest go on.

    A cell that another grid on the same output trains is waited for.

    Args:
        train: replaces `benchmark.train.train.train`; importable by name, since it travels to another process.

    Raises:
        UserError: the output cannot be written.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the children have ended by then.
    """
    queue, waiting = _Queue(store, placement, observer, train), Waiting(cells, store)
    with _terminated_as_interrupted():
        try:
            while waiting or queue.running:
                while queue.has_room and (cell := waiting.next(queue.extractions.must_wait)):
                    queue.start(cell)
                for cell, record in waiting.done_elsewhere():
                    queue.count_elsewhere(cell, record)
                waiting.put_back(queue.attend(SECONDS_BETWEEN_LOOKS if waiting else None))
        finally:
            queue.end_all()
    return queue.outcome


@dataclass(frozen=True)
class Local:
    """The launcher of this machine."""

    placement: Placement

    def launch(self, cells: Sequence[Cell], store: Store, observer: Observer) -> Outcome:
        return launch(cells, store, self.placement, observer)


@dataclass
class _Running:
    job: Job
    slot: Slot
    process: BaseProcess
    connection: Connection
    started: str
    until: float
    """When its time is up, in seconds of the monotonic clock."""
    last: CellOutcome | Unwritable | None = None
    timed_out: bool = False


class _Queue:
    """The cells that run now."""

    def __init__(self, store: Store, placement: Placement, observer: Observer, train: Train | None) -> None:
        self._store, self._placement, self._observer, self._train = store, placement, observer, train
        self._context = start_method(placement.device)
        self._free = list(placement.slots)
        self.running: list[_Running] = []
        self.extractions = Extractions()
        self.outcome = Outcome()

    @property
    def has_room(self) -> bool:
        return bool(self._free)

    def start(self, cell: Cell) -> None:
        job, slot = self._placement.job(cell, self._store.output, self._free[0], self._train), self._free.pop(0)
        ours, theirs = self._context.Pipe()
        # Not a daemon: those may not have children, and data loaders are.
        process = self._context.Process(target=work, args=(job, theirs), name=cell.spec.slug)
        process.start()
        theirs.close()
        until = time.monotonic() + (self._placement.timeout or float("inf"))
        self.running.append(_Running(job, slot, process, ours, now(), until))
        self.extractions.begins(cell)
        self._observer.started(cell)

    def attend(self, seconds: float | None) -> list[Cell]:
        """Wait until something happens, at most so long, then listen to every child and settle those that have ended.

        Returns:
            Cells that turned out to be another grid's.
        """
        if not self.running:
            time.sleep(seconds or 0)
            return []
        nearest = min(running.until for running in self.running) - time.monotonic()
        limit = min(nearest, float("inf") if seconds is None else seconds)
        waited = [at for r in self.running for at in (r.connection, r.process.sentinel)]
        wait(waited, None if limit == float("inf") else min(max(0.0, limit), LONGEST_WAIT))
        elsewhere = []
        for running in list(self.running):
            has_ended = not running.process.is_alive()
            for message in _drain(running.connection):
                self._hear(running, message)
            running.timed_out = running.last is None and not has_ended and time.monotonic() >= running.until
            if (running.last is not None or has_ended or running.timed_out) and not self._settle(running):
                elsewhere.append(running.job.cell)
        return elsewhere

    def count_elsewhere(self, cell: Cell, record: RunRecord) -> None:
        """A cell that another grid has trained meanwhile."""
        self._observer.started(cell)
        self._count(cell, record, users_mistake=False)

    def end_all(self) -> None:
        """End whatever still runs."""
        for running in self.running:
            running.process.terminate()
        for running in self.running:
            _end(running.process)
        self.running.clear()

    def _hear(self, running: _Running, message: Message) -> None:
        if isinstance(message, Progress):
            if message.phase == "train":
                self.extractions.is_ready(running.job.cell)
            self._observer.progressed(running.job.cell, message)
        else:
            running.last = message

    def _settle(self, running: _Running) -> bool:
        """Whether the cell has a record now."""
        if running.timed_out:
            running.process.kill()
        _end(running.process)
        self.running.remove(running)
        self.extractions.ends(running.job.cell)
        self._free.append(running.slot)
        running.connection.close()
        if isinstance(running.last, Unwritable):
            raise UserError(running.last.reason)
        if running.last is None:
            record = record_failure(running.job, self._silent_end(running), running.started)
        else:
            record = running.last.record
        if record is None:
            self._observer.let_go(running.job.cell)
            return False
        self._count(running.job.cell, record, bool(running.last and running.last.users_mistake))
        return True

    def _count(self, cell: Cell, record: RunRecord, users_mistake: bool) -> None:
        self.outcome.completed += record.status == "completed"
        self.outcome.failed += record.status == "failed"
        self.outcome.users_mistakes += users_mistake
        self._observer.ended(cell, record)

    def _silent_end(self, running: _Running) -> Failure:
        log, code = last_lines(running.job.log), running.process.exitcode
        if running.timed_out:
            return Failure("timeout", f"it took longer than --timeout {self._placement.timeout:g} seconds", log)
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            hint = "; often the system ran out of memory" if name == "SIGKILL" else ""
            return Failure("killed", f"its process was ended by {name}{hint}", log)
        return Failure("error", f"its process ended without a result, exit status {code}", log)


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
