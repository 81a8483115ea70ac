"""How processes of cells start.

On the processor they are forked from a server that has imported the heavy parts already; with CUDA they are spawned,
because an import that merely asks for a GPU makes CUDA unusable in forked children. This imports nothing heavy itself,
so that the server can be started first of all.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import forkserver
from typing import Any

from benchmark.runtime.allocator import keep_freed_memory

# A child runs the command's main module again, which imports the parser. The worker is last: it freezes what is there.
LONGEST_TMPDIR = 60
"""Bytes that leave room for the names of sockets."""
HEAVY_PARTS = ["benchmark.cli.parser", "benchmark.launch.child", "benchmark.launch.preload"]


def get_ready() -> None:
    """Let the server of cells that run on the processor import its heavy parts meanwhile."""
    start_method("cpu")
    with _interrupts_ignored():
        forkserver.ensure_running()
    atexit.register(_end_server)


def _end_server() -> None:
    """It may still be importing, and whoever reads our output through a pipe would wait for it."""
    pid = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def start_method(device: str) -> Any:
    """How processes start that compute there, a context of `multiprocessing`."""
    keep_freed_memory()
    _put_sockets_where_they_fit()
    context: Any = multiprocessing.get_context("spawn" if device == "cuda" else "forkserver")
    if device != "cuda":
        context.set_forkserver_preload(HEAVY_PARTS)
    return context


def _put_sockets_where_they_fit() -> None:
    """Processes meet at sockets under TMPDIR, whose paths the system cuts off at some hundred bytes."""
    own: Any = multiprocessing.current_process()
    if len(os.fsencode(tempfile.gettempdir())) > LONGEST_TMPDIR and own._config.get("tempdir") is None:
        own._config["tempdir"] = folder = tempfile.mkdtemp(prefix="avbench-", dir="/tmp")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """By the processes that start now: Ctrl-C reaches them too, and this one alone decides what becomes of them."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
