"""What the queue costs: trivial cells on two processors against the sum of their own run times, halved.

    python measurements/robustness/queue_overhead.py --cells 200

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

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "measurements" / "robustness" / "trivial.py"
LINE = re.compile(r"^(\S+ \S+) (cell begins|cell ended)$", re.MULTILINE)


def begun_and_ended(log: Path) -> tuple[float, float]:
    """Seconds since 1970, from the log's first and last of our lines."""
    stamps = [datetime.strptime(at, "%Y-%m-%d %H:%M:%S,%f").timestamp() for at, _ in LINE.findall(log.read_text())]
    return stamps[0], stamps[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        began = time.time()
        run_grid(Path(folder), arguments.cells, arguments.jobs)
        ended = time.time()
        cells = [begun_and_ended(log) for log in (Path(folder) / "out" / "logs").glob("*.log")]
    own, wall = sum(end - begin for begin, end in cells), ended - began
    first, last, ideal = min(cells)[0], max(end for _, end in cells), own / arguments.jobs
    between = last - first - ideal
    of_each = 1000 * between * arguments.jobs / len(cells)
    print(f"{len(cells)} cells, {arguments.jobs} at a time: {own:.1f} s of their own, {own / len(cells):.2f} s each")
    print(f"wall {wall:.1f} s, {wall / ideal:.2f} x the ideal {ideal:.1f} s, {wall - ideal:.1f} s overhead:")
    print(
        f"{first - began:.1f} s before the first cell, {between:.1f} s between cells ({of_each:.0f} ms each), "
        f"{ended - last:.1f} s after the last"
    )


def run_grid(folder: Path, cells: int, jobs: int) -> None:
    """The real command, with an output of its own below the folder."""
    grid = folder / "grid.toml"
    grid.write_text(
        f'backbones = ["trivial"]\nadapters = ["linear_probe"]\ntasks = ["brightness"]\nseeds = {list(range(cells))}\n'
    )
    command = [sys.executable, "-m", "benchmark", "run", "--grid", str(grid), "--plugin", str(PLUGIN), "--workers", "0"]
    command += ["--output", str(folder / "out"), "--device", "cpu", "--jobs", str(jobs)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
