"""What becomes of grids when things go wrong: kills at random moments, full disks, jumping clocks, damaged files.

    flock /tmp/heavy.lock nice -n 10 python benchmarks/faults.py --kills 100
    python benchmarks/faults.py --kills 0        # only the other faults

Prints one line for each fault and a count of kills, and exits with 1 if a grid lost anything. Cells are trivial
(benchmarks/trivial.py). Full and read-only disks need the right to mount a tmpfs; without it they are left out, and
it says so.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.warm_runs import PLUGIN, ROOT, Run, prepare

GRID = 'backbones = ["trivial"]\nadapters = ["linear_probe", "lavish"]\ntasks = ["brightness"]\nseeds = [0, 1]\n'
EPOCHS = 8
KILLS_OF_ONE_GRID = 10
COLD_KILLS = 5
"""Of all kills, those of the real command, which spends its first seconds importing."""


class Bench:
    """A folder, a grid file, and the numbers of the unbroken grid."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "grid.toml").write_text(GRID)
        self.unbroken = self.completed("unbroken")

    def words(self, output: Path, *more: str) -> list[str]:
        grid = ["run", "--grid", str(self.folder / "grid.toml"), "--plugin", str(PLUGIN), "--set", f"epochs={EPOCHS}"]
        return [*grid, "--output", str(output), "--device", "cpu", "--jobs", "2", *more]

    def start(self, output: Path, *more: str, cold: bool = False) -> Run:
        return Run(self.words(output, *more), self.folder / f"said-{time.monotonic_ns()}", cold=cold)

    def run(self, output: Path, *more: str) -> tuple[int, str]:
        run = self.start(output, *more)
        return run.wait(), run.said

    def completed(self, name: str, *more: str) -> dict[str, Any]:
        status, said = self.run(self.folder / name, *more)
        assert status == 0, said
        return numbers(self.folder / name)


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


def written(output: Path) -> dict[str, tuple[int, int]]:
    """The files of completed records as they lie on the disk: one that is written again is another file."""
    facts = {}
    for path in (output / "records").glob("*.json"):
        if json.loads(path.read_bytes())["status"] == "completed":
            facts[path.name] = (path.stat().st_ino, path.stat().st_mtime_ns)
    return facts


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
        self._expect(numbers(output) == self._bench.unbroken, f"{output.name}: numbers differ from the unbroken grid")
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
            if pids and _kill(self._random.choice(pids)):
                self.counts["cell"] += 1
                return
        if run.runs and _kill(run.pid):
            self.counts["main"] += 1
            self.counts["cold"] += cold

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


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


# Each fault returns None where all is well, or what is wrong.


def two_grids_at_once(bench: Bench) -> str | None:
    output = bench.folder / "shared"
    runs = [bench.start(output), bench.start(output)]
    statuses = [run.wait() for run in runs]
    trained = [path.read_text().count("epoch 1:") for path in (output / "logs").glob("*.log")]
    if statuses != [0, 0] or set(trained) != {1}:
        return f"statuses {statuses}, first epochs by log {trained}"
    return None if numbers(output) == bench.unbroken else "numbers differ"


def one_of_two_grids_is_killed(bench: Bench) -> str | None:
    output = bench.folder / "widowed"
    first, second = bench.start(output), bench.start(output)
    time.sleep(2.0)
    _kill(first.pid)
    status = second.wait()
    return None if status == 0 and numbers(output) == bench.unbroken else f"status {status}: {second.said[-300:]}"


def a_damaged_record(bench: Bench) -> str | None:
    output = bench.folder / "damaged"
    bench.completed("damaged")
    others = written(output)
    victim = min(others)
    (output / "records" / victim).write_bytes(b'{"schema": 1, "hash')
    status, said = bench.run(output)
    others.pop(victim)
    fine = status == 0 and "3 done, 1 to train" in said and others.items() <= written(output).items()
    fine = fine and (output / "records" / f"{victim}.unreadable").exists()
    return None if fine and numbers(output) == bench.unbroken else said[-300:]


def a_half_written_checkpoint(bench: Bench) -> str | None:
    output = bench.folder / "halved"
    run = bench.start(output)
    while run.runs and not any(len(list(f.iterdir())) > 2 for f in (output / "checkpoints").glob("*")):
        time.sleep(0.02)
    _kill(run.pid)
    run.wait()
    halved = [max(folder.glob("epoch-*")) for folder in (output / "checkpoints").iterdir() if any(folder.iterdir())]
    for path in halved:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    status, said = bench.run(output)
    passed_over = sum("is damaged" in path.read_text() for path in (output / "logs").glob("*.log"))
    fine = status == 0 and halved and passed_over == len(halved)
    return None if fine and numbers(output) == bench.unbroken else f"{passed_over} of {len(halved)}: {said[-300:]}"


def a_clock_that_jumps(bench: Bench) -> str | None:
    """Every file of a cut grid comes from next year, and then from 1980."""
    output = bench.folder / "jumped"
    for stamp in (time.time() + 3e7, 3.2e8):
        run = bench.start(output)
        time.sleep(3.0)
        _kill(run.pid)
        run.wait()
        for path in output.rglob("*"):
            if path.exists():
                os.utime(path, (stamp, stamp))
    status, said = bench.run(output)
    return None if status == 0 and numbers(output) == bench.unbroken else said[-300:]


def a_worker_that_never_returns(bench: Bench) -> str | None:
    output = bench.folder / "asleep"
    status, said = bench.run(output, "--adapters", "linear_probe,sleepy", "--timeout", "20", "--seeds", "0")
    told = "failed, timeout: it took longer than --timeout 20 seconds" in said
    records = [json.loads(path.read_bytes())["status"] for path in (output / "records").glob("*.json")]
    return None if status == 1 and told and sorted(records) == ["completed", "failed"] else said[-300:]


def a_full_disk(bench: Bench) -> str | None:
    with _tmpfs(bench.folder / "full", "16m") as output:
        bench.run(output, "--seeds", "0")
        before = written(output)
        with (output / "ballast").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                pass
        status, said = bench.run(output)
        one_line = said.strip().splitlines()[-1]
        fine = status == 2 and one_line.startswith("error: cannot write") and "No space left" in one_line
        return None if fine and len(before) == 2 and written(output) == before else f"status {status}: {said[-300:]}"


def a_disk_that_fills_while_cells_train(bench: Bench) -> str | None:
    with _tmpfs(bench.folder / "filling", "400k") as output:
        status, said = bench.run(output, "--seeds", *map(str, range(12)))
        readable = written(output)
        clear = "Traceback" not in said and ("No space left" in said)
        rest = bench.completed("elsewhere", "--seeds", *map(str, range(12)))
        same = all(numbers_of(output, name) == rest[name.removesuffix(".json")] for name in readable)
        return None if status in (1, 2) and clear and readable and same else f"status {status}: {said[-400:]}"


def numbers_of(output: Path, name: str) -> Any:
    return numbers(output)[name.removesuffix(".json")]


def a_read_only_output(bench: Bench) -> str | None:
    with _tmpfs(bench.folder / "frozen", "16m") as output:
        bench.run(output, "--seeds", "0")
        before = written(output)
        subprocess.run(["mount", "-o", "remount,ro", str(output)], check=True)
        status, said = bench.run(output)
        one_line = said.strip().splitlines()[-1]
        fine = status == 2 and one_line.startswith("error: cannot write") and "Read-only" in one_line
        status_of = subprocess.run(
            [sys.executable, "-m", "benchmark", "status", "--output", str(output)],
            capture_output=True, text=True, check=False, cwd=ROOT,
        )  # fmt: skip
        fine = fine and "2 done" in status_of.stdout
        return None if fine and written(output) == before else f"{said[-300:]} {status_of.stdout}{status_of.stderr}"


FAULTS: tuple[Callable[[Bench], str | None], ...] = (
    two_grids_at_once,
    one_of_two_grids_is_killed,
    a_damaged_record,
    a_half_written_checkpoint,
    a_clock_that_jumps,
    a_worker_that_never_returns,
    a_full_disk,
    a_disk_that_fills_while_cells_train,
    a_read_only_output,
)


class NotPossibleHereError(Exception):
    pass


@contextmanager
def _tmpfs(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        raise NotPossibleHereError
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", default="", help="only those whose name holds this; none")
    arguments = parser.parse_args()
    prepare()
    began, bad = time.monotonic(), 0
    with TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        for fault in FAULTS:
            if arguments.faults != "none" and arguments.faults in fault.__name__:
                bad += _tell(fault, bench)
        if arguments.kills:
            kills = Kills(bench, arguments.kills, arguments.seed)
            kills.run()
            bad += len(kills.wrong)
            counts = kills.counts
            print(
                f"{counts['main'] + counts['cell']} kills: {counts['main']} of the main process ({counts['cold']} of "
                f"them cold), {counts['cell']} of cells, over {counts['grids']} grids of {len(bench.unbroken)} cells; "
                f"{counts['resumed cells']} cells went on from a checkpoint; {len(kills.wrong)} wrong"
            )
            print(*kills.wrong, sep="\n")
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if bad else 0


def _tell(fault: Callable[[Bench], str | None], bench: Bench) -> bool:
    name = fault.__name__.replace("_", " ")
    try:
        wrong = fault(bench)
    except NotPossibleHereError:
        print(f"{name}: left out, no tmpfs can be mounted here", flush=True)
        return False
    print(f"{name}: {'WRONG: ' + wrong if wrong else 'fine'}", flush=True)
    return wrong is not None


if __name__ == "__main__":
    sys.exit(main())
