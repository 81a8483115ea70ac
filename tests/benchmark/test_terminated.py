"""A command that is terminated leaves no process behind, whatever it was at."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]


def members(group: int) -> list[int]:
    """The living processes of a group."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(of) == group and state != "Z":
            found.append(int(stat.parent.name))
    return found


def test_while_clips_are_rendered(tmp_path: Path) -> None:
    words = ["run", "--backbone", "tiny_vit", "--adapter", "linear_probe", "--task", "event_localisation"]
    command = subprocess.Popen(
        [sys.executable, "-m", "benchmark", *words, "--output", str(tmp_path / "out")],
        cwd=ROOT, env={**os.environ, "AVBENCH_CACHE": str(tmp_path / "cache")}, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until = time.monotonic() + 120
    while not list((tmp_path / "cache").glob("synthetic-*/*.partial/records.bin")) and time.monotonic() < until:
        time.sleep(0.1)
    assert command.poll() is None
    os.kill(command.pid, signal.SIGTERM)
    _, said = command.communicate(timeout=60)
    assert command.returncode == 130
    assert said.strip().splitlines()[-1] == "interrupted."
    until = time.monotonic() + 10
    while members(command.pid) and time.monotonic() < until:
        time.sleep(0.1)
    assert not members(command.pid)
