"""`python -m benchmark …` in processes that skip the seconds of importing, for measurements that start it often.

A run is a fork of this process, which has imported everything; the server that cells are forked from is shared. What
runs in it is the command line itself. `cold` starts the real command instead.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path

from benchmark.launch.server import get_ready

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "measurements" / "robustness" / "trivial.py"


class Run:
    """One command line, running; its words go to a file. A cold one may have an environment of its own."""

    def __init__(
        self, words: Sequence[str], said: Path, *, cold: bool = False, environment: Mapping[str, str] | None = None
    ) -> None:
        self._said, self._status = said, None
        if cold:
            with said.open("wb") as file:
                command = [sys.executable, "-m", "benchmark", *words]
                here = {**os.environ, **(environment or {})}
                process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, cwd=ROOT, env=here)
            self.pid, self._wait = process.pid, process.wait
        else:
            forked = multiprocessing.get_context("fork").Process(target=_main, args=(tuple(words), said))
            forked.start()
            self.pid, self._wait = forked.pid, lambda: _joined(forked)

    def wait(self) -> int:
        """The exit status; negative for a signal."""
        return self._wait()

    @property
    def runs(self) -> bool:
        try:
            with open(f"/proc/{self.pid}/stat") as file:
                return file.read().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    @property
    def said(self) -> str:
        return self._said.read_text(errors="replace") if self._said.exists() else ""


def prepare() -> None:
    """Import everything once and start the server of cells."""
    import matplotlib.pyplot  # noqa: F401

    import benchmark.launch.preload  # noqa: F401
    import results.outputs  # noqa: F401

    get_ready()


def _joined(process: multiprocessing.context.ForkProcess) -> int:
    process.join()
    return process.exitcode if process.exitcode is not None else 1


def _main(words: tuple[str, ...], said: Path) -> None:
    from benchmark.__main__ import main

    # The server belongs to this process's parent, which the check of the standard library does not foresee.
    forkserver._forkserver.ensure_running = forkserver.ensure_running = lambda: None
    file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    status = main(words)
    sys.stdout.flush()
    os._exit(status)
