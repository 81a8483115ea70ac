"""One cell in a process of its own: what the launcher's child runs and says."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

from benchmark.grid import RunSpec
from benchmark.progress import Progress
from registry.errors import UserError
from results.record import Failure, RunRecord
from results.store import ScoredItem

SECONDS_BETWEEN_REPORTS = 0.2


class Train(Protocol):
    """Train one cell and measure it, as `benchmark.training.train` does."""

    def __call__(
        self, spec: RunSpec, *, run_hash: str, device: str, report: Callable[[Progress], None]
    ) -> tuple[RunRecord, Sequence[ScoredItem]]: ...


@dataclass(frozen=True)
class Job:
    """What the child needs to know."""

    spec: RunSpec
    run_hash: str
    device: str
    threads: int
    """Threads of the processor that this cell may keep busy."""
    log: Path
    plugins: tuple[str, ...] = ()
    train: Train | None = None
    """None is `benchmark.training.train`."""


@dataclass(frozen=True)
class Finished:
    """The child's last word after a run."""

    record: RunRecord
    items: Sequence[ScoredItem] = ()


@dataclass(frozen=True)
class Broken:
    """The child's last word after an exception."""

    failure: Failure
    users_mistake: bool


Message = Progress | Finished | Broken


def work(job: Job, connection: Connection) -> None:
    """Run a cell; progress and the outcome go through the connection, everything printed goes to the log."""
    # Ctrl-C reaches the whole process group; the launcher alone decides, so that children end in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _print_to(job.log)
    try:
        connection.send(_run(job, connection))
    except BrokenPipeError:
        sys.exit("the launcher is gone")
    except Exception as error:
        traceback.print_exc()
        connection.send(_broken(error, job.log))


def last_lines(log: Path, count: int = 20) -> str:
    """The end of a log; empty where there is none."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-count:])
    except OSError:
        return ""


def _run(job: Job, connection: Connection) -> Finished:
    # The launcher shares this module and may not have torch yet.
    import torch

    from registry.plugins import load_plugins

    torch.set_num_threads(job.threads)
    load_plugins(job.plugins, report=print)
    train = job.train or _default_train()
    record, items = train(job.spec, run_hash=job.run_hash, device=job.device, report=_Reporter(connection))
    return Finished(record, tuple(items))


def _default_train() -> Train:
    from benchmark.training import train

    return train


def _broken(error: Exception, log: Path) -> Broken:
    from benchmark.failures import classify

    return Broken(classify(error, last_lines(log)), isinstance(error, UserError))


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
            self._connection.send(progress)


def _print_to(log: Path) -> None:
    """Send standard output and error to a file, native libraries included."""
    log.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115 (lives as long as the process)
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
