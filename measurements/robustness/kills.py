"""SIGKILL for grids and their cells, at random moments."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

from measurements.robustness.unbroken import Bench, written
from measurements.robustness.warm_runs import Run

KILLS_OF_ONE_GRID = 10
COLD_KILLS = 5
"""Of all kills, those of the real command, which spends its first seconds importing."""


class Kills:
    """SIGKILL at random moments, then the same command again, until the grid is through."""

    def __init__(self, bench: Bench, wanted: int, seed: int) -> None:
        self._bench, self._wanted, self._random = bench, wanted, random.Random(seed)
        self.counts = Counter[str]()
        self.wrong: list[str] = []

    def run(self) -> None:
        while self._total < self._wanted:
            self.counts["grids"] += 1
            self._one_grid(self._bench.folder / f"killed-{self.counts['grids']}")
            print(f"{self._total} kills, {self.counts['grids']} grids, {len(self.wrong)} wrong", flush=True)

    @property
    def _total(self) -> int:
        return self.counts["main"] + self.counts["cell"]

    def _one_grid(self, output: Path) -> None:
        before: dict[str, tuple[int, int]] = {}
        for _ in range(min(KILLS_OF_ONE_GRID, self._wanted - self._total)):
            cold = self.counts["cold"] < COLD_KILLS and self._random.random() < 0.2
            run = self._bench.start(output, cold=cold)
            self._kill_something(run, output, cold)
            run.wait()
            now = written(output) if output.exists() else {}
            self._expect(before.items() <= now.items(), f"{output.name}: a completed record was lost or written twice")
            before = now
            if len(before) == len(self._bench.unbroken):
                break
        status, said = self._bench.run(output)
        self._expect(status == 0, f"{output.name}: the resumed grid ended with {status}: {said[-500:]}")
        self._expect(before.items() <= written(output).items(), f"{output.name}: a completed record was written twice")
        different = self._bench.differences(output)
        self._expect(different is None, f"{output.name}: {different}")
        self._expect(not list(output.rglob("*.unreadable")), f"{output.name}: an unreadable file")
        records = [json.loads(path.read_bytes()) for path in (output / "records").glob("*.json")]
        self.counts["resumed cells"] += sum("resumed_after_epochs" in r["environment"] for r in records)

    def _kill_something(self, run: Run, output: Path, cold: bool) -> None:
        target = self._random.choice(["main", "cell"])
        time.sleep(self._random.uniform(0.0, 12.0 if cold else 4.0))
        if target == "cell":
            pids = _running_cells(output)
            while not pids and run.runs:
                time.sleep(0.02)
                pids = _running_cells(output)
            if pids and kill(self._random.choice(pids)):
                self.counts["cell"] += 1
                return
        if run.runs and kill(run.pid):
            self.counts["main"] += 1
            self.counts["cold"] += cold

    def __str__(self) -> str:
        counts, cells = self.counts, len(self._bench.unbroken)
        return (
            f"{self._total} kills: {counts['main']} of the main process ({counts['cold']} of them cold), "
            f"{counts['cell']} of cells, over {counts['grids']} grids of {cells} cells; "
            f"{counts['resumed cells']} cells went on from a checkpoint; {len(self.wrong)} wrong"
        )

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.wrong.append(otherwise)


def _running_cells(output: Path) -> list[int]:
    pids = []
    for path in (output / "running").glob("*.json"):
        try:
            pid = json.loads(path.read_bytes())["pid"]
            os.kill(pid, 0)
            pids.append(pid)
        except (OSError, ValueError):
            continue
    return pids


def kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
