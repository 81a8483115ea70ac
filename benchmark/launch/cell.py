"""One cell from its lease to its record, in this process: what every launcher runs, wherever it runs it."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import sys
import time
import traceback
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmark.grid.spec import RunSpec
from benchmark.kept.folder import keep
from benchmark.launch.job import CellOutcome, Job, ProgressReport, Train, failed_record, last_lines, now
from benchmark.launch.lease import Lease
from benchmark.launch.plan import Marker
from benchmark.launch.together import train_together
from benchmark.runtime.memory import share_with
from benchmark.runtime.progress import Progress
from benchmark.train.checkpoint import Checkpoints
from benchmark.train.failures import classify
from benchmark.train.resume import micro_batches_of
from benchmark.train.train import train
from benchmark.train.trial import train_trial
from registry.errors import UserError
from registry.files import create
from registry.plugins import load_plugins
from registry.vocabulary import ScoredItems
from results.record import Failure
from results.store.files import OutputError
from results.store.serialise import RecordError
from results.store.store import Store
from tasks.media import underway

SECONDS_OF_DYING = 1.0

logger = logging.getLogger(__name__)


def run_cell(job: Job, report: ProgressReport = lambda progress: None) -> CellOutcome:
    """Train a cell, unless another process does or did, and write its record.

    A run that was cut off goes on from its last checkpoint. One that needs too much memory is tried once more with
    smaller batches and as many more of them to a step. Everything printed goes to the cell's log.

    Raises:
        UserError: the output cannot be written; the cell is left as it is, to go on from its last checkpoint.
    """
    lease = Lease(job.output, job.cell.hash)
    if not lease.take(seconds=0.5):
        return CellOutcome(None)
    try:
        store = Store(job.output)
        if store.completed(job.cell.hash):
            return CellOutcome(store.read(job.cell.hash))
        _print_to(job.log)
        marker = Marker(job.output, job.cell.hash)
        try:
            logger.info("cell begins")
            marker.write(os.getpid())
            underway.note_in(job.decoding)
            return _train_and_write(job, store, _Marking(marker, report))
        finally:
            shutil.rmtree(job.decoding, ignore_errors=True)
            marker.remove()
            logger.info("cell ended")
    finally:
        lease.give_back()


def _train_and_write(job: Job, store: Store, report: ProgressReport) -> CellOutcome:
    started, micro_batches, ended = now(), 0, None
    while ended is None:
        micro_batches, ended = _attempt(job, store, report, started, micro_batches)
    return ended


def _attempt(
    job: Job, store: Store, report: ProgressReport, started: str, micro_batches: int
) -> tuple[int, CellOutcome | None]:
    """Pieces of a batch for another attempt and None, or how the cell ended.

    Args:
        micro_batches: 0 for those of the run that was cut off.
    """
    try:
        train, micro_batches = _prepare(job, micro_batches)
        facts: dict[str, Any] = {"work_dir": job.checkpoints, "micro_batches": micro_batches, "workers": job.workers}
        record, items = train(job.cell.spec, run_hash=job.cell.hash, device=job.device, report=report, **facts)
        record = replace(record, versions=dict(job.cell.versions))
        if job.cell.spec.effort:
            record = replace(record, environment={**record.environment, "effort": dict(job.cell.spec.effort)})
        if not job.discard_adapter and not job.cell.until:
            # Before the record: a cell that is done has its folder.
            keep(job.output, record, items, job.checkpoints)
        scored = items if isinstance(items, ScoredItems) else ScoredItems(items)
        shown = scored.gallery if job.keep_gallery else ()
        options: dict[str, Any] = {"with_probabilities": job.keep_probabilities, "gallery": shown}
        store.write(record, scored, answers=scored.answers, **options)
    except OutputError:
        raise
    except RecordError as error:
        failure, mistake = Failure("error", str(error), last_lines(job.log)), False
    except Exception as error:
        traceback.print_exc()
        told = _told(error, job)
        failure, mistake = _classified(told, job.log), isinstance(told, UserError)
    else:
        _forget(job)
        return micro_batches, CellOutcome(record)
    # Behind the handler, where the exception no longer keeps the tensors of its frames alive.
    more = _more_micro_batches(job.cell.spec, micro_batches) if failure.kind == "out_of_memory" else None
    if more:
        print(
            f"out of memory; once more with batches {more} times as small, {more} times as many to a step", flush=True
        )
        _free_memory()
        return more, None
    record = failed_record(job.cell, failure, started)
    store.write(record)
    return micro_batches, CellOutcome(record, mistake)


def _prepare(job: Job, micro_batches: int) -> tuple[Train, int]:
    torch.set_num_threads(job.threads or len(os.sched_getaffinity(0)))
    share_with(job.cells or len(os.sched_getaffinity(0)))
    load_plugins(job.plugins, report=print)
    if job.train:
        return job.train, micro_batches or 1
    micro_batches = micro_batches or micro_batches_of(Checkpoints(job.checkpoints))
    if job.cell.until:
        return partial(train_trial, until=job.cell.until), micro_batches
    if job.processes == 1:
        return train, micro_batches
    threads = torch.get_num_threads()
    return partial(train_together, processes=job.processes, threads=threads, plugins=job.plugins), micro_batches


def _more_micro_batches(spec: RunSpec, micro_batches: int) -> int | None:
    """The smallest number that cuts a batch into equal micro_batches: two for an even one. A batch is cut once only."""
    batch = spec.recipe.batch_size
    return None if micro_batches > 1 else next((n for n in range(2, batch + 1) if batch % n == 0), None)


def _forget(job: Job) -> None:
    if job.cell.until:
        # The search decides whether a trial goes on.
        return
    shutil.rmtree(job.checkpoints, ignore_errors=True)


def _told(error: Exception, job: Job) -> Exception:
    """The error, or of a loader whose process died the file on which it did."""
    if isinstance(error, ConnectionError | EOFError) or "DataLoader worker" in str(error):
        # It may still be about to end.
        time.sleep(SECONDS_OF_DYING)
        if dead := underway.left_by_the_dead(job.decoding):
            return underway.died_on(dead[0])
    return error


def _classified(error: Exception, log: Path) -> Failure:
    return classify(error, last_lines(log))


def _free_memory() -> None:
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


class _Marking:
    """Writes each new phase and epoch into the cell's marker, and passes everything on."""

    def __init__(self, marker: Marker, report: ProgressReport) -> None:
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
        # A new one each time: a link that lies there would lead elsewhere.
        file = create(log, mode=0o644)
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
