"""What the queue costs: trivial cells on two processors against the sum of their own run times, halved.

    flock /tmp/heavy.lock nice -n 10 python benchmarks/queue_overhead.py --cells 200

A cell's own run time is what its process spends between its lease and its record. Everything else is overhead: the
command's imports, the plan, processes, messages and the leaderboard. The target is a ratio of at most 1.3.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
LINE = re.compile(r"^(\S+ \S+) (cell begins|cell ended)$", re.MULTILINE)


def own_seconds(log: Path) -> float:
    """From the log's two lines."""
    stamps = [datetime.strptime(at, "%Y-%m-%d %H:%M:%S,%f") for at, _ in LINE.findall(log.read_text())]
    return (stamps[-1] - stamps[0]).total_seconds()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        grid, output = Path(folder) / "grid.toml", Path(folder) / "out"
        grid.write_text(
            'backbones = ["trivial"]\nadapters = ["linear_probe"]\ntasks = ["brightness"]\n'
            f"seeds = {list(range(arguments.cells))}\n"
        )
        plugin = str(ROOT / "benchmarks" / "trivial.py")
        command = [sys.executable, "-m", "benchmark", "run", "--grid", str(grid), "--plugin", plugin]
        command += ["--output", str(output), "--device", "cpu", "--jobs", str(arguments.jobs)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        began = time.perf_counter()
        subprocess.run(command, check=True, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL)
        wall = time.perf_counter() - began
        own = [own_seconds(log) for log in (output / "logs").glob("*.log")]
    ideal = sum(own) / arguments.jobs
    print(
        f"{len(own)} cells, {arguments.jobs} at a time: {sum(own):.1f} s of their own, {sum(own) / len(own):.2f} s each"
    )
    print(f"wall {wall:.1f} s, {wall / ideal:.2f} x the ideal {ideal:.1f} s, {(wall - ideal):.1f} s overhead")


if __name__ == "__main__":
    main()
