"""A process of its own for one cell on this machine: what it hears, says and survives."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait

import benchmark
from benchmark.launch.job import CellOutcome, Job
from benchmark.runtime.progress import Progress
from registry.errors import UserError

SECONDS_BETWEEN_REPORTS = 0.2


@dataclass(frozen=True)
class Unwritable:
    """The last word of a process that cannot write its record."""

    reason: str


Message = Progress | CellOutcome | Unwritable


def work(job: Job, connection: Connection) -> None:
    """Run a cell; progress and how it ended go through the connection."""
    # Ctrl-C reaches the whole process group; the launcher alone decides, so that children end in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Before anything asks CUDA which devices there are.
    if job.gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(job.gpus)
    threading.Thread(target=_end_with_the_launcher, args=(connection,), daemon=True).start()
    try:
        connection.send(benchmark.run_cell(job, _Reporter(connection)))
    except UserError as error:
        connection.send(Unwritable(str(error)))


def _end_with_the_launcher(connection: Connection) -> None:
    """A launcher that is killed cannot end its cells, and nobody would look after them: they end themselves.

    It never sends anything, so that something to read is the end of its side.
    """
    wait([connection])
    os.kill(os.getpid(), signal.SIGKILL)


class _Reporter:
    """Sends progress, at most a few times a second within one phase."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last: tuple[str, int] | None = None
        self._sent = 0.0

    def __call__(self, progress: Progress) -> None:
        now, at = time.monotonic(), (progress.phase, progress.epoch)
        if at != self._last or now - self._sent >= SECONDS_BETWEEN_REPORTS:
            self._last, self._sent = at, now
            try:
                self._connection.send(progress)
            except BrokenPipeError:
                # No failure of the cell, and none may be recorded: the launcher is gone.
                os.kill(os.getpid(), signal.SIGKILL)
