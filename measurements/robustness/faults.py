"""What becomes of grids when things go wrong: kills at random moments, full disks, jumping clocks, damaged files.

    python measurements/robustness/faults.py --kills 100
    python measurements/robustness/faults.py --kills 0                    # without kills
    python measurements/robustness/faults.py --kills 0 --faults links     # those whose name holds a word

Prints one line for each fault, a count of kills and a table of attacks (measurements/robustness/attacks.py), and exits
with 1 if a grid lost anything or a promise of SECURITY.md was broken. Cells are trivial
(measurements/robustness/trivial.py). Full and read-only disks need the right to mount a tmpfs, jumps of the clock
Debian's faketime;
without them they are left out, and it says so.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from measurements.robustness import attacks
from measurements.robustness.kills import Kills, kill
from measurements.robustness.unbroken import Bench, leaderboard, numbers, written
from measurements.robustness.warm_runs import ROOT, prepare


class NotPossibleHereError(Exception):
    """This machine lacks what a fault needs."""


# Each fault returns None where all is well, or what is wrong.


def two_grids_at_once(bench: Bench) -> str | None:
    output = bench.folder / "shared"
    runs = [bench.start(output), bench.start(output)]
    statuses = [run.wait() for run in runs]
    trained = [path.read_text().count("epoch 1:") for path in (output / "logs").glob("*.log")]
    if statuses != [0, 0] or set(trained) != {1}:
        return f"statuses {statuses}, first epochs by log {trained}"
    return bench.differences(output)


def one_of_two_grids_is_killed(bench: Bench) -> str | None:
    output = bench.folder / "widowed"
    first, second = bench.start(output), bench.start(output)
    time.sleep(2.0)
    kill(first.pid)
    status = second.wait()
    return bench.differences(output) if status == 0 else f"status {status}: {second.said[-300:]}"


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
    return bench.differences(output) if fine else said[-300:]


def a_half_written_checkpoint(bench: Bench) -> str | None:
    output = bench.folder / "halved"
    run = bench.start(output)
    while run.runs and not any(len(list(f.iterdir())) > 2 for f in (output / "checkpoints").glob("*")):
        time.sleep(0.02)
    kill(run.pid)
    run.wait()
    halved = [max(folder.glob("epoch-*")) for folder in (output / "checkpoints").iterdir() if any(folder.iterdir())]
    for path in halved:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    status, said = bench.run(output)
    passed_over = sum("is damaged" in path.read_text() for path in (output / "logs").glob("*.log"))
    fine = status == 0 and halved and passed_over == len(halved)
    return bench.differences(output) if fine else f"{passed_over} of {len(halved)}: {said[-300:]}"


def files_of_another_time(bench: Bench) -> str | None:
    """Every file of a cut grid comes from next year, and then from 1980."""
    output = bench.folder / "jumped"
    for stamp in (time.time() + 3e7, 3.2e8):
        run = bench.start(output)
        time.sleep(3.0)
        kill(run.pid)
        run.wait()
        for path in output.rglob("*"):
            if path.exists():
                os.utime(path, (stamp, stamp))
    status, said = bench.run(output)
    return bench.differences(output) if status == 0 else said[-300:]


def a_clock_that_jumps(bench: Bench) -> str | None:
    """While cells train, a year ahead, two years back, home again, and so on; under a time limit that none needs."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        raise NotPossibleHereError("no libfaketime (Debian's package faketime)")
    output, clock = bench.folder / "clocked", bench.folder / "clock"
    clock.write_text("+0")
    # Only what a change of the date changes: the monotonic clock of a machine never jumps.
    fake = {"FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    run = bench.start(output, "--timeout", "300", cold=True, environment={"LD_PRELOAD": str(library), **fake})
    jumps = 0
    while run.runs:
        if _running(output):
            clock.write_text(("+365d", "-365d", "+0")[jumps % 3])
            jumps += 1
        time.sleep(0.4)
    status = run.wait()
    if status or jumps < 3:
        return f"status {status}, {jumps} jumps: {run.said[-300:]}"
    years = {json.loads(path.read_bytes())[at][:4] for path in _records(output) for at in ("started", "finished")}
    return bench.differences(output) if len(years) > 1 else f"no cell saw a jump, all in {years}"


def a_worker_that_never_returns(bench: Bench) -> str | None:
    output = bench.folder / "asleep"
    status, said = bench.run(output, "--adapters", "linear_probe,sleepy", "--timeout", "20", "--seeds", "0")
    told = "failed, timeout: it took longer than --timeout 20 seconds" in said
    records = [json.loads(path.read_bytes())["status"] for path in _records(output)]
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
    many = ("--adapters", "linear_probe", "--seeds", *map(str, range(24)))
    rest = bench.completed("elsewhere", *many)
    with _tmpfs(bench.folder / "filling", "240k") as output:
        status, said = bench.run(output, *many)
        before = written(output)
        clear = status == 2 and said.strip().splitlines()[-1].startswith("error: cannot write") and "failed" not in said
        if not (clear and before and len(before) < len(rest)):
            return f"status {status}, {len(before)} of {len(rest)} done: {said[-400:]}"
        subprocess.run(["mount", "-o", "remount,size=16m", str(output)], check=True)
        status, said = bench.run(output, *many)
        stayed = before.items() <= written(output).items()
        same = stayed and numbers(output) == rest and leaderboard(output) == leaderboard(bench.folder / "elsewhere")
        return None if status == 0 and same else f"with room again, status {status}: {said[-400:]}"


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
    files_of_another_time,
    a_clock_that_jumps,
    a_worker_that_never_returns,
    a_full_disk,
    a_disk_that_fills_while_cells_train,
    a_read_only_output,
)


def _records(output: Path) -> list[Path]:
    return list((output / "records").glob("*.json"))


def _running(output: Path) -> list[Path]:
    return list((output / "running").glob("*.json"))


@contextmanager
def _tmpfs(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        raise NotPossibleHereError("no tmpfs can be mounted")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", default="", help="only those faults and attacks whose name holds this; none")
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
            print(kills)
            print(*kills.wrong, sep="\n")
    if arguments.faults != "none":
        bad += attacks.run(tuple(one for one in attacks.ATTACKS if arguments.faults in one.__name__))
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if bad else 0


def _tell(fault: Callable[[Bench], str | None], bench: Bench) -> bool:
    name = fault.__name__.replace("_", " ")
    try:
        wrong = fault(bench)
    except NotPossibleHereError as reason:
        print(f"{name}: left out, {reason}", flush=True)
        return False
    print(f"{name}: {'WRONG: ' + wrong if wrong else 'fine'}", flush=True)
    return wrong is not None


if __name__ == "__main__":
    sys.exit(main())
