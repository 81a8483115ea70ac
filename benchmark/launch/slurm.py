"""Cells on a SLURM cluster, by submitit: one array, submitted and left alone; `status` reads the store."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import benchmark
from benchmark.grid.cell import Cell
from benchmark.launch.job import Job
from benchmark.launch.launcher import Observer, Outcome
from benchmark.launch.placement import Placement, Slot
from registry.errors import UserError
from results.store.store import Store

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

TIMES_OUT_OF_TIME = 100
"""How often a cell that needs more than its time is queued again."""


@dataclass(frozen=True)
class Slurm:
    """The launcher of a cluster that all nodes share the output folder with.

    A cell that SLURM preempts, or that nears the end of its time, is queued again and goes on from its last epoch. A
    cell whose job died without a word is missing from the store, and the same command submits it again; one that is
    submitted twice is trained once, because both jobs want its lease.
    """

    placement: Placement
    at_a_time: int
    """Cells of the array at a time."""
    partition: str | None
    minutes: int
    """For one cell."""
    sbatch: tuple[str, ...] = ()
    """`key=value` for any other parameter of submitit's or of sbatch."""

    def launch(self, cells: Sequence[Cell], store: Store, observer: Observer) -> Outcome:
        """Submit an array and return at once.

        Raises:
            UserError: the extra is not installed, there is no SLURM here, or SLURM refuses the request.
        """
        submitit = _submitit()
        folder = store.output.resolve() / "slurm"
        executor = submitit.SlurmExecutor(folder=folder, max_num_timeout=TIMES_OUT_OF_TIME)
        jobs = [self._job(cell, store.output.resolve()) for cell in cells]
        try:
            executor.update_parameters(**self._parameters())
            # Not `map_array`, which wants one function for all: submitit asks each object for its `checkpoint`.
            with executor.batch():
                for job in jobs:
                    executor.submit(SubmittedCell(job))
        except (submitit.core.utils.FailedJobError, ValueError, TypeError) as error:
            raise UserError(f"SLURM refuses the array: {' '.join(str(error).split())[-300:]}") from None
        return Outcome(submitted=len(jobs))

    def _job(self, cell: Cell, output: Path) -> Job:
        job = self.placement.job(cell, output, Slot(self.placement.device))
        files = tuple(str(Path(name).resolve()) if Path(name).exists() else name for name in job.plugins)
        # As many threads as SLURM gives processors, whatever this machine has, and all of the memory that it allots.
        return replace(job, threads=0, cells=1, plugins=files)

    def _parameters(self) -> dict[str, Any]:
        gpus = {"gpus_per_node": self.placement.gpus_per_cell} if self.placement.device == "cuda" else {}
        parameters: dict[str, Any] = {
            "job_name": "avbench",
            "time": self.minutes,
            "array_parallelism": self.at_a_time,
            **gpus,
            **({"partition": self.partition} if self.partition else {}),
        }
        given = dict(_pair(text) for text in self.sbatch)
        known = set(_submitit().SlurmExecutor._valid_parameters())
        further = {key: value for key, value in given.items() if key not in known}
        parameters |= {key: value for key, value in given.items() if key in known}
        return {**parameters, "additional_parameters": {"requeue": True, **further}}


@dataclass(frozen=True)
class SubmittedCell:
    """What runs on the node."""

    job: Job

    def __call__(self) -> str:
        record = benchmark.run_cell(self.job).record
        return record.status if record else "another job trains it"

    def checkpoint(self) -> DelayedSubmission:
        """Asked for by submitit before SLURM ends the job: the same again, from the last epoch."""
        from submitit.helpers import DelayedSubmission  # noqa: PLC0415 (an extra)

        return DelayedSubmission(self)


def _submitit() -> Any:
    try:
        import submitit  # noqa: PLC0415 (an extra)
    except ImportError:
        raise UserError("--launcher slurm needs submitit; pip install 'av-adapter-bench[slurm]'.") from None
    if shutil.which("sbatch") is None:
        raise UserError("--launcher slurm, but there is no sbatch here; run it on a login node of the cluster.")
    return submitit


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise UserError(f"--sbatch {text} is not of the form KEY=VALUE, such as account=x or cpus_per_task=4.")
    try:
        return key, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return key, value
