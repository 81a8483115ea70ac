"""Cells on a Ray cluster: fractions of GPUs, and another try on another node when one dies."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import benchmark
from benchmark.grid.cell import Cell
from benchmark.launch.job import CellOutcome, Job, now, record_failure
from benchmark.launch.launcher import Observer, Outcome
from benchmark.launch.placement import Placement, Slot
from benchmark.launch.queue import Waiting
from registry.errors import UserError
from results.record import Failure, RunRecord
from results.store.store import Store

RETRIES = 3
"""Of a cell whose process or node died; it goes on from its last epoch."""
SECONDS_BETWEEN_LOOKS = 1.0


@dataclass(frozen=True)
class Ray:
    """The launcher of a cluster that all nodes share the output folder with."""

    placement: Placement
    address: str | None
    """`host:port`; None starts Ray on this machine."""

    def launch(self, cells: Sequence[Cell], store: Store, observer: Observer) -> Outcome:
        """Run the cells and write what became of those that died.

        Raises:
            UserError: the extra is not installed, no cluster answers, or no node can ever run a cell.
        """
        ray = _connected(self.address)
        try:
            request = self._request()
            _refuse_the_impossible(ray, request)
            return _Tasks(ray, self, request, store, observer).run(cells)
        finally:
            ray.shutdown()

    def job(self, cell: Cell, output: Path) -> Job:
        job = self.placement.job(cell, output.resolve(), Slot(self.placement.device))
        files = tuple(str(Path(name).resolve()) if Path(name).exists() else name for name in job.plugins)
        return replace(job, threads=1, cells=0, plugins=files)

    def _request(self) -> dict[str, float]:
        share = self.placement.gpus_per_cell / self.placement.cells_per_gpu
        return {"CPU": 1.0, "GPU": share} if self.placement.device == "cuda" else {"CPU": 1.0}


class _Tasks:
    """The tasks that Ray knows of."""

    def __init__(self, ray: Any, launcher: Ray, request: dict[str, float], store: Store, observer: Observer) -> None:
        self._ray, self._launcher, self._store, self._observer = ray, launcher, store, observer
        # A process of its own for each cell: what CUDA and mmengine leave behind ends with it.
        limits = {"num_cpus": request["CPU"], "num_gpus": request.get("GPU", 0), "max_calls": 1}
        self._run = ray.remote(**limits, max_retries=RETRIES)(benchmark.run_cell)
        self._tasks: dict[Any, tuple[Job, str]] = {}
        self._outcome = Outcome()

    def run(self, cells: Sequence[Cell]) -> Outcome:
        waiting = Waiting(cells, self._store)
        try:
            while waiting or self._tasks:
                while len(self._tasks) < self._launcher.placement.jobs and (cell := waiting.next()):
                    self._start(cell)
                for cell, record in waiting.done_elsewhere():
                    self._observer.started(cell)
                    self._count(cell, record)
                waiting.put_back(self._attend())
        except BaseException:
            for task in self._tasks:
                self._ray.cancel(task, force=True)
            raise
        return self._outcome

    def _start(self, cell: Cell) -> None:
        job = self._launcher.job(cell, self._store.output)
        self._tasks[self._run.remote(job)] = job, now()
        self._observer.started(cell)

    def _attend(self) -> list[Cell]:
        """Settle what has ended; cells that another run trains come back."""
        ended, _ = self._ray.wait(list(self._tasks), num_returns=1, timeout=SECONDS_BETWEEN_LOOKS)
        elsewhere = []
        for task in ended:
            job, started = self._tasks.pop(task)
            outcome = self._outcome_of(task, job, started)
            if outcome.record is None:
                self._observer.let_go(job.cell)
                elsewhere.append(job.cell)
            else:
                self._outcome.users_mistakes += outcome.users_mistake
                self._count(job.cell, outcome.record)
        return elsewhere

    def _outcome_of(self, task: Any, job: Job, started: str) -> CellOutcome:
        try:
            return self._ray.get(task)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, UserError):
                raise UserError(str(error.cause)) from None
            failure = Failure("error", f"{type(error.cause).__name__}: {error.cause}")
        except self._ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[0]
            failure = Failure("killed", f"its process or node died {RETRIES + 1} times: {reason}")
        return CellOutcome(record_failure(job, failure, started))

    def _count(self, cell: Cell, record: RunRecord) -> None:
        self._outcome.completed += record.status == "completed"
        self._outcome.failed += record.status == "failed"
        self._observer.ended(cell, record)


def _connected(address: str | None) -> Any:
    try:
        import ray  # noqa: PLC0415 (an extra)
    except ImportError:
        raise UserError("--launcher ray needs Ray; pip install 'av-adapter-bench[ray]'.") from None
    if ray.is_initialized():
        return ray
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(
            f"no Ray cluster at {address or 'this machine'}: {' '.join(str(error).split())[:200]}"
        ) from None
    return ray


def _refuse_the_impossible(ray: Any, request: dict[str, float]) -> None:
    # Ray would wait for ever for a node that can.
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(all(node.get(name, 0.0) >= amount for name, amount in request.items()) for node in nodes):
        asked = " and ".join(f"{amount:g} {name}" for name, amount in request.items())
        most = ", ".join(f"{max(node.get(name, 0.0) for node in nodes):g} {name}" for name in request)
        raise UserError(f"a cell asks for {asked}, but no node of the Ray cluster has that (the most: {most}).")
