"""One function over many jobs in processes, of which any may die: decoders do, on damaged files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def run_all(
    function: Callable[[Job], Result], jobs: Iterable[Job], workers: int
) -> Iterator[tuple[Job, Result | None]]:
    """Each job with its result, as they end; None for a job whose process died.

    Args:
        function: picklable, and so are jobs and results.
        workers: processes; 0 runs everything in this one.
    """
    if not workers:
        yield from ((job, function(job)) for job in jobs)
        return
    left = iter(jobs)
    while True:
        running: dict[Future[Result], Job] = {}
        with _pool(workers) as pool:
            try:
                for job in left:
                    running[_submit(pool, function, job)] = job
                    # Few in flight, so that a death leaves few to try again.
                    if len(running) >= 2 * workers:
                        yield from _ended(running)
                while running:
                    yield from _ended(running)
                return
            except BrokenProcessPool:
                pass
        for job in running.values():
            yield job, _alone(function, job)


def _pool(workers: int) -> ProcessPoolExecutor:
    context = get_context("forkserver")
    # Imported once instead of in each process: a pool that broke is then replaced in no time.
    context.set_forkserver_preload(["tasks.media.recording"])
    return ProcessPoolExecutor(workers, mp_context=context)


def _submit(pool: ProcessPoolExecutor, function: Callable[[Job], Result], job: Job) -> Future[Result]:
    try:
        return pool.submit(function, job)
    except BrokenProcessPool as error:
        # The job counts as in flight, like those that were when the pool broke.
        future: Future[Result] = Future()
        future.set_exception(error)
        return future


def _ended(running: dict[Future[Result], Job]) -> Iterator[tuple[Job, Result]]:
    """Take out what has ended; what a broken pool left behind stays."""
    broken = None
    for future in wait(running, return_when=FIRST_COMPLETED).done:
        if isinstance(error := future.exception(), BrokenProcessPool):
            broken = error
        else:
            yield running.pop(future), future.result()
    if broken:
        raise broken


def _alone(function: Callable[[Job], Result], job: Job) -> Result | None:
    with _pool(1) as pool:
        try:
            return pool.submit(function, job).result()
        except BrokenProcessPool:
            return None
