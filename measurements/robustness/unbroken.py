"""A small grid that was never disturbed, to hold disturbed ones against."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from measurements.robustness.warm_runs import PLUGIN, Run
from results.render.csv import without_measurements

GRID = 'backbones = ["trivial"]\nadapters = ["linear_probe", "lavish"]\ntasks = ["brightness"]\nseeds = [0, 1]\n'
EPOCHS = 8


class Bench:
    """A folder, a grid file, and the numbers of the unbroken grid."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "grid.toml").write_text(GRID)
        self.unbroken = self.completed("unbroken")
        self.leaderboard = leaderboard(folder / "unbroken")

    def words(self, output: Path, *more: str) -> list[str]:
        grid = [
            "run",
            "--grid",
            str(self.folder / "grid.toml"),
            "--plugin",
            str(PLUGIN),
            "--set",
            f"epochs={EPOCHS}",
            "--workers",
            "0",
        ]
        return [*grid, "--output", str(output), "--device", "cpu", "--jobs", "2", *more]

    def start(self, output: Path, *more: str, cold: bool = False, environment: Mapping[str, str] | None = None) -> Run:
        """Begin to run the grid; `environment` is added to this process's, for a cold run."""
        said = self.folder / f"said-{time.monotonic_ns()}"
        return Run(self.words(output, *more), said, cold=cold, environment=environment)

    def run(self, output: Path, *more: str) -> tuple[int, str]:
        run = self.start(output, *more)
        return run.wait(), run.said

    def completed(self, name: str, *more: str) -> dict[str, Any]:
        status, said = self.run(self.folder / name, *more)
        assert status == 0, said
        return numbers(self.folder / name)

    def differences(self, output: Path) -> str | None:
        """What tells the whole grid there from the unbroken one; None where nothing does."""
        if numbers(output) != self.unbroken:
            return "numbers differ from the unbroken grid"
        if leaderboard(output) != self.leaderboard:
            return "the leaderboard differs from the unbroken grid's"
        return None


def numbers(output: Path) -> dict[str, Any]:
    """What may not differ from the unbroken grid, by cell; a file that cannot be read raises."""
    found = {}
    for path in (output / "records").glob("*.json"):
        record = json.loads(path.read_bytes())
        history = [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in record["history"]]
        kept = {name: record[name] for name in ("status", "scores", "validation", "best_epoch", "slug")}
        found[path.stem] = {
            **kept,
            "history": history,
            "items": (output / "items" / f"{path.stem}.json.gz").read_bytes(),
        }
    return found


def leaderboard(output: Path) -> bytes:
    """The bytes of the leaderboard that the grid left, less the columns in which no two runs of one machine agree."""
    return without_measurements((output / "leaderboard.csv").read_bytes().decode()).encode()


def written(output: Path) -> dict[str, tuple[int, int]]:
    """The files of completed records as they lie on the disk: one that is written again is another file."""
    facts = {}
    for path in (output / "records").glob("*.json"):
        if json.loads(path.read_bytes())["status"] == "completed":
            facts[path.name] = (path.stat().st_ino, path.stat().st_mtime_ns)
    return facts
