"""One cell from its lease to its record, in this process: what every launcher runs, wherever it runs it."""

from __future__ import annotations

import gc
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from benchmark.grid.cell import Cell
from benchmark.grid.spec import RunSpec
from benchmark.launch.lease import Lease
from benchmark.launch.plan import Marker
from benchmark.runtime.memory import share_with
from benchmark.runtime.progress import Progress
from benchmark.runtime.source_digest import source_digest
from registry.errors import UserError
from registry.vocabulary import ItemScore
from results.record import Failure, RunRecord
from results.store.files import OutputError
from results.store.serialise import RecordError
from results.store.store import Store

SECONDS_FOR_THE_LOCK_OF_THE_DEAD = 15.0
"""A killed cell's loaders of data hold its lock until they notice, which takes torch's up to five seconds."""

logger = logging.getLogger(__name__)

Report = Callable[[Progress], None]


class Train(Protocol):
    """Train one cell and measure it, as `benchmark.train.train.train` does."""

    def __call__(
        self,
        spec: RunSpec,
        *,
        run_hash: str,
        device: str,
        report: Report,
        work_dir: Path | None,
        pieces: int,
        workers: int | None,
    ) -> tuple[RunRecord, Sequence[ItemScore]]: ...


@dataclass(frozen=True)
class Job:
    """What a process needs to know to run a cell."""

    cell: Cell
    output: Path
    device: str
    threads: int
    """Threads of the processor that this cell may keep busy; 0 is one for each core that its process may use."""
    gpus: tuple[str, ...] = ()
    """The GPUs that the process may see, as CUDA_VISIBLE_DEVICES names them; empty leaves what is set."""
    plugins: tuple[str, ...] = ()
    keep_checkpoints: bool = False
    """Whether the best state and the last checkpoints stay when the cell is completed."""
    train: Train | None = None
    """None is `benchmark.train.train.train`."""
    processes: int = 1
    """Processes that train the cell together, each on a GPU of its own."""
    workers: int | None = None
    """Processes that load its clips, see `benchmark.train.train.train`."""
    cells: int = 1
    """Cells that its machine runs at a time, which share its memory; 0 is one for each core."""

    @property
    def log(self) -> Path:
        return self.output / "logs" / f"{self.cell.spec.slug}.log"

    @property
    def checkpoints(self) -> Path:
        return self.output / "checkpoints" / self.cell.hash


@dataclass(frozen=True)
class Ended:
    """How a cell ended."""

    record: RunRecord | None
    """Completed or failed; None where another process has the lease."""
    users_mistake: bool = False
    """Whether the user can mend the failure."""


def run_cell(job: Job, report: Report = lambda progress: None) -> Ended:
    """Train a cell, unless another process does or did, and write its record.

    A run that was cut off goes on from its last checkpoint. One that needs too much memory is tried once more with
    smaller batches and as many more of them to a step. Everything printed goes to the cell's log.

    Raises:
        UserError: the output cannot be written; the cell is left as it is, to go on from its last checkpoint.
    """
    lease = Lease(job.output, job.cell.hash)
    if not lease.take(seconds=0.5):
        return Ended(None)
    try:
        store = Store(job.output)
        if store.completed(job.cell.hash):
            return Ended(store.read(job.cell.hash))
        _print_to(job.log)
        marker = Marker(job.output, job.cell.hash)
        try:
            logger.info("cell begins")
            marker.write(os.getpid())
            return _train_and_write(job, store, _Marking(marker, report))
        finally:
            marker.remove()
            logger.info("cell ended")
    finally:
        lease.give_back()


def record_failure(job: Job, failure: Failure, started: str) -> RunRecord | None:
    """Write what became of a cell whose process has ended without a word.

    Returns:
        What stands in the store afterwards; None where another process has taken the cell over.

    Raises:
        UserError: the output cannot be written.
    """
    lease = Lease(job.output, job.cell.hash)
    if not lease.take(SECONDS_FOR_THE_LOCK_OF_THE_DEAD):
        return None
    try:
        Marker(job.output, job.cell.hash).remove()
        store, record = Store(job.output), _failed(job.cell, failure, started)
        return record if store.write(record) else store.read(job.cell.hash)
    finally:
        lease.give_back()


def last_lines(log: Path, count: int = 20) -> str:
    """The end of a log; empty where there is none."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-count:])
    except OSError:
        return ""


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _train_and_write(job: Job, store: Store, report: Report) -> Ended:
    started, pieces, ended = now(), 0, None
    while ended is None:
        pieces, ended = _attempt(job, store, report, started, pieces)
    return ended


def _attempt(job: Job, store: Store, report: Report, started: str, pieces: int) -> tuple[int, Ended | None]:
    """Pieces of a batch for another attempt and None, or how the cell ended.

    Args:
        pieces: 0 for those of the run that was cut off.
    """
    try:
        train, pieces = _prepare(job, pieces)
        facts: dict[str, Any] = {"work_dir": job.checkpoints, "pieces": pieces, "workers": job.workers}
        record, items = train(job.cell.spec, run_hash=job.cell.hash, device=job.device, report=report, **facts)
        record = replace(record, versions=dict(job.cell.versions))
        store.write(record, items)
    except OutputError:
        raise
    except RecordError as error:
        failure, mistake = Failure("error", str(error), last_lines(job.log)), False
    except Exception as error:
        traceback.print_exc()
        failure, mistake = _classified(error, job.log), isinstance(error, UserError)
    else:
        if not job.keep_checkpoints:
            _forget(job)
        return pieces, Ended(record)
    # Behind the handler, where the exception no longer keeps the tensors of its frames alive.
    more = _more_pieces(job.cell.spec, pieces) if failure.kind == "out_of_memory" else None
    if more:
        print(
            f"out of memory; once more with batches {more} times as small, {more} times as many to a step", flush=True
        )
        _free_memory()
        return more, None
    record = _failed(job.cell, failure, started)
    store.write(record)
    return pieces, Ended(record, mistake)


def _prepare(job: Job, pieces: int) -> tuple[Train, int]:
    import torch

    from registry.plugins import load_plugins

    torch.set_num_threads(job.threads or len(os.sched_getaffinity(0)))
    share_with(job.cells or len(os.sched_getaffinity(0)))
    load_plugins(job.plugins, report=print)
    if job.train:
        return job.train, pieces or 1
    from benchmark.train.checkpoint import Checkpoints
    from benchmark.train.resume import pieces_of
    from benchmark.train.train import train

    pieces = pieces or pieces_of(Checkpoints(job.checkpoints))
    if job.processes == 1:
        return train, pieces
    from benchmark.launch.together import train_together

    threads = torch.get_num_threads()
    return partial(train_together, processes=job.processes, threads=threads, plugins=job.plugins), pieces


def _more_pieces(spec: RunSpec, pieces: int) -> int | None:
    """The smallest number that cuts a batch into equal pieces: two for an even one. A batch is cut once only."""
    batch = spec.recipe.batch_size
    return None if pieces > 1 else next((n for n in range(2, batch + 1) if batch % n == 0), None)


def _forget(job: Job) -> None:
    import shutil

    shutil.rmtree(job.checkpoints, ignore_errors=True)


def _classified(error: Exception, log: Path) -> Failure:
    from benchmark.train.failures import classify

    return classify(error, last_lines(log))


def _free_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _failed(cell: Cell, failure: Failure, started: str) -> RunRecord:
    facts: dict[str, Any] = {"hash": cell.hash, "slug": cell.spec.slug, "versions": dict(cell.versions)}
    facts |= {"environment": {"sources": source_digest()}, "failure": failure}
    return RunRecord(**cell.spec.as_dict(), **facts, status="failed", started=started, finished=now())


class _Marking:
    """Writes each new phase and epoch into the cell's marker, and passes everything on."""

    def __init__(self, marker: Marker, report: Report) -> None:
        self._marker, self._report = marker, report
        self._at: object = None

    def __call__(self, progress: Progress) -> None:
        if (at := (progress.phase, progress.epoch)) != self._at:
            self._at = at
            self._marker.write(os.getpid(), progress)
        self._report(progress)


def _print_to(log: Path) -> None:
    """Send standard output and error to a file, native libraries included, and our own log with them."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    except OSError as error:
        raise UserError(f"cannot write {log}: {error.strerror}; give a writable folder with --output.") from None
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115 (lives as long as the process)
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    ours, handler = logging.getLogger("benchmark"), logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    ours.handlers[:] = [handler]
    ours.setLevel(logging.INFO)
