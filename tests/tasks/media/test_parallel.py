"""Every job has an outcome, also where a process dies."""

from __future__ import annotations

import os
import signal

from tasks.media.parallel import run_all


def double_or_die(number: int) -> int:
    if number in (3, 9):
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def test_a_job_whose_process_dies_takes_no_other_along() -> None:
    outcomes = dict(run_all(double_or_die, range(12), 2))
    assert outcomes == {n: None if n in (3, 9) else 2 * n for n in range(12)}


def test_without_workers_jobs_run_here_in_order() -> None:
    assert list(run_all(str, [2, 1], 0)) == [(2, "2"), (1, "1")]
