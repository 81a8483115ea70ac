"""Cells on a real SLURM of one node: `python -m pytest -m slurm tests/cluster`, as root with slurm-wlm and munge."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from one_node_slurm import one_node_slurm, possible

ROOT = Path(__file__).parents[2]
GRID = 'backbones = ["trivial"]\nadapters = ["linear_probe", "lavish"]\ntasks = ["brightness"]\nseeds = [0, 1]\n'

pytestmark = [pytest.mark.slurm, pytest.mark.skipif(not possible(), reason="needs root, slurm-wlm and munge")]


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    with one_node_slurm() as environment:
        yield {**environment, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def benchmark(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmark", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)


def records(output: Path) -> dict[str, dict]:
    return {path.stem: json.loads(path.read_bytes()) for path in (output / "records").glob("*.json")}


def until(holds: Callable[[], object], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def running(output: Path) -> dict[str, int]:
    """Process by hash of the cells that have at least one checkpoint."""
    found = {}
    for path in (output / "running").glob("*.json"):
        try:
            found[path.stem] = json.loads(path.read_bytes())["pid"]
        except (OSError, ValueError):
            continue
    return {name: pid for name, pid in found.items() if list((output / "checkpoints" / name).glob("epoch-*"))}


def test_an_array_of_cells_one_killed_one_requeued_all_complete(environment: dict[str, str], tmp_path: Path) -> None:
    grid, output = tmp_path / "grid.toml", tmp_path / "out"
    grid.write_text(GRID)
    plugin = str(ROOT / "measurements" / "robustness" / "trivial.py")
    words = ["run", "--grid", str(grid), "--plugin", plugin, "--output", str(output), "--device", "cpu"]
    words += ["--set", "epochs=40", "--launcher", "slurm", "--time", "5", "--jobs", "2", "--partition", "all"]
    submitted = benchmark(environment, *words)
    assert submitted.returncode == 0, submitted.stderr
    assert "4 cells submitted" in submitted.stdout

    until(lambda: len(running(output)) == 2)
    assert "2 running" in benchmark(environment, "status", "--output", str(output)).stdout
    killed, requeued = running(output)
    os.kill(running(output)[killed], signal.SIGKILL)
    # What submitit does when SLURM warns a job: it queues itself again and goes on from its last epoch.
    os.kill(running(output)[requeued], signal.SIGUSR2)

    queue = ["squeue", "-h", "-t", "PD,R,CF,CG", "-o", "%i"]
    until(lambda: len(records(output)) == 3 and killed not in records(output), 400)
    until(lambda: not subprocess.run(queue, env=environment, capture_output=True, check=False).stdout.strip())
    again = benchmark(environment, *words)
    assert "4 cells: 3 done, 1 to train" in again.stdout, [r["failure"] for r in records(output).values()]
    assert "1 cell submitted" in again.stdout
    until(lambda: len(records(output)) == 4, 400)

    assert {record["status"] for record in records(output).values()} == {"completed"}
    for name in (killed, requeued):
        assert records(output)[name]["environment"]["resumed_after_epochs"]
    assert "4 done" in benchmark(environment, "status", "--output", str(output)).stdout


def test_a_request_that_slurm_refuses_is_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    words = ("--backbone", "trivial", "--adapter", "linear_probe", "--task", "brightness", "--device", "cpu")
    plugin = str(ROOT / "measurements" / "robustness" / "trivial.py")
    ended = benchmark(
        environment, "run", *words, "--plugin", plugin, "--output", str(tmp_path), "--launcher", "slurm",
        "--partition", "nowhere",
    )  # fmt: skip
    assert ended.returncode == 2
    # sbatch says it in its own words first.
    assert ended.stderr.splitlines()[-1].startswith("error: SLURM refuses the array")
    assert "Traceback" not in ended.stderr
