"""What a process needs to know to run a cell, and what becomes of one whose process ends without a word."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from benchmark.grid.cell import Cell
from benchmark.grid.spec import RunSpec
from benchmark.launch.lease import Lease
from benchmark.launch.plan import Marker
from benchmark.runtime.progress import ProgressReport
from benchmark.runtime.source_digest import source_digest
from registry.files import read_end
from registry.vocabulary import ItemScore
from results.record import Failure, RunRecord
from results.store.store import Store
from tasks.media.underway import died_on, left_by_the_dead

SECONDS_FOR_THE_LOCK_OF_THE_DEAD = 15.0
"""A killed cell's loaders of data hold its lock until they notice, which takes torch's up to five seconds."""


MOST_LOG_BYTES = 64 * 2**10
"""Of a log's end that a record may keep."""


class Train(Protocol):
    """Train one cell and measure it, as `benchmark.train.train.train` does."""

    def __call__(
        self,
        spec: RunSpec,
        *,
        run_hash: str,
        device: str,
        report: ProgressReport,
        work_dir: Path | None,
        micro_batches: int,
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
    discard_adapter: bool = False
    """Whether the trained adapter is not kept when the cell is completed."""
    keep_probabilities: bool = True
    """Whether the probabilities of every test item stay, see `results.store.answers`."""
    keep_gallery: bool = True
    """Whether thumbnails of the worst test clips stay, see `benchmark.train.gallery`."""
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
    def decoding(self) -> Path:
        """Where its processes note the media file in work."""
        return self.output / "running" / f"{self.cell.hash}.decoding"

    @property
    def checkpoints(self) -> Path:
        return self.output / "checkpoints" / self.cell.checkpoints


@dataclass(frozen=True)
class CellOutcome:
    """How a cell ended."""

    record: RunRecord | None
    """Completed or failed; None where another process has the lease."""
    users_mistake: bool = False
    """Whether the user can mend the failure."""


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
        dead = left_by_the_dead(job.decoding)
        shutil.rmtree(job.decoding, ignore_errors=True)
        if dead and failure.kind in ("killed", "error"):
            failure = Failure("data", f"{died_on(dead[0])} ({failure.message})", failure.log)
        store, record = Store(job.output), failed_record(job.cell, failure, started)
        return record if store.write(record) else store.read(job.cell.hash)
    finally:
        lease.give_back()


def last_lines(log: Path, count: int = 20) -> str:
    """The end of a log; empty where there is none."""
    try:
        return "\n".join(read_end(log, MOST_LOG_BYTES).decode(errors="replace").splitlines()[-count:])
    except OSError:
        return ""


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def failed_record(cell: Cell, failure: Failure, started: str) -> RunRecord:
    facts: dict[str, Any] = {"hash": cell.hash, "slug": cell.spec.slug, "versions": dict(cell.versions)}
    facts |= {"environment": {"sources": source_digest()}, "failure": failure}
    return RunRecord(**cell.spec.as_dict(), **facts, status="failed", started=started, finished=now())
