"""Several processes for one cell: this one leads, the others follow and end with it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import distributed

from benchmark.grid.spec import RunSpec
from benchmark.launch.server import start_method
from benchmark.runtime.progress import Progress
from benchmark.train.train import train
from registry.plugins import load_plugins
from registry.vocabulary import ItemScore
from results.record import RunRecord

PATIENCE = timedelta(minutes=30)
"""How long a process waits for the others, at validation for example."""
SECONDS_TO_END = 30.0


def train_together(
    spec: RunSpec,
    *,
    run_hash: str,
    device: str,
    report: Callable[[Progress], None],
    work_dir: Path | None,
    micro_batches: int,
    workers: int | None,
    processes: int,
    threads: int,
    plugins: Sequence[str] = (),
) -> tuple[RunRecord, Sequence[ItemScore]]:
    """`benchmark.train.train.train` with so many processes: NCCL with a GPU each, gloo on the processor.

    Args:
        threads: of the processor, for each process.

    Raises:
        UserError: a batch that cannot be shared equally, or whatever the training raises.
    """
    context = start_method(device)
    with TemporaryDirectory() as folder:
        meeting = f"file://{folder}/meeting"
        ours, theirs = context.Pipe()
        how: dict[str, Any] = {"work_dir": work_dir, "micro_batches": micro_batches, "workers": workers}
        facts = (processes, meeting, spec, device, how, threads, tuple(plugins))
        followers = [context.Process(target=_follow, args=(theirs, rank, *facts)) for rank in range(1, processes)]
        for follower in followers:
            follower.start()
        theirs.close()
        try:
            with _joined(0, processes, meeting, device):
                place = _place(device, 0)
                return train(spec, run_hash=run_hash, device=place, report=report, **how)
        finally:
            for follower in followers:
                follower.join(SECONDS_TO_END if follower.exitcode is None else 0)
                follower.kill()
            ours.close()


def _follow(
    leader: Connection,
    rank: int,
    processes: int,
    meeting: str,
    spec: RunSpec,
    device: str,
    how: dict[str, Any],
    threads: int,
    plugins: tuple[str, ...],
) -> None:
    threading.Thread(target=_end_with_the_leader, args=(leader,), daemon=True).start()
    torch.set_num_threads(threads)
    load_plugins(plugins)
    with _joined(rank, processes, meeting, device):
        place = _place(device, rank)
        train(spec, run_hash="", device=place, report=lambda progress: None, **how)


def _end_with_the_leader(leader: Connection) -> None:
    wait([leader])
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def _joined(rank: int, processes: int, meeting: str, device: str) -> Iterator[None]:
    backend = "gloo" if device == "cpu" else "nccl"
    distributed.init_process_group(backend, init_method=meeting, rank=rank, world_size=processes, timeout=PATIENCE)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def _place(device: str, rank: int) -> str:
    return "cpu" if device == "cpu" else f"cuda:{rank}"
