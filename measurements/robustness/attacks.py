"""What hostile files and odd surroundings do to the command: docs/evidence/faults.md.

    python measurements/robustness/attacks.py                     # the table; exit status 1 where a promise is broken
    python measurements/robustness/attacks.py links timeouts      # those whose name holds one of these words
    python measurements/store.py attacks -- python measurements/robustness/attacks.py

Each attack is a function: its docstring says what must follow, and it returns what is wrong or None. Every command is
the real one, in a process of its own with at most eight gigabytes and a limit of time. `faults.py` runs these too.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from PIL import Image  # noqa: E402

from results.record import Parameters, RunRecord  # noqa: E402
from results.store.serialise import to_json  # noqa: E402

PLUGIN = ROOT / "measurements" / "robustness" / "trivial.py"
TRIVIAL = ("--plugin", str(PLUGIN), "--backbone", "trivial", "--adapter", "linear_probe", "--task", "brightness",
           "--device", "cpu", "--jobs", "1", "--set", "epochs=2")  # fmt: skip
SECONDS, GIGABYTES = 300, 8
ESCAPES = "\x1b]0;owned\x07\x1b[31m"
LINK = "![i](http://127.0.0.1:9/x)"
RECORD = RunRecord(
    hash="a1", slug="s", backbone="b", adapter="a", task="t", seed=0, recipe={"epochs": 1}, protocol="validation",
    status="completed", primary_metric="accuracy", scores={"accuracy": 50.0}, data="d", parameters=Parameters(9, 9, 9),
)  # fmt: skip

Attack = Callable[[Path], str | None]
"""Takes an empty folder."""


class Said:
    """A command that has ended."""

    def __init__(self, folder: Path, *words: object, **environment: str) -> None:
        line = ["bash", "-c", f'ulimit -v {GIGABYTES << 20}; exec "$@"', "-", sys.executable, "-m", "benchmark"]
        here = {**os.environ, "PYTHONPATH": str(ROOT), "AVBENCH_CACHE": str(folder / "cache"), **environment}
        try:
            done = subprocess.run(
                [*line, *map(str, words)], cwd=folder, env=here, capture_output=True, timeout=SECONDS, check=False
            )
            self.status, self.out, self.error = done.returncode, _text(done.stdout), _text(done.stderr)
        except subprocess.TimeoutExpired:
            self.status, self.out, self.error = -1, "", f"no end after {SECONDS} s"

    def wrong(self, *statuses: int) -> str | None:
        """None where it ended with one of these (0, 1 or 2) and without a stack trace."""
        if "Traceback" in self.error or self.status not in (statuses or (0, 1, 2)):
            return f"status {self.status}: {self.error.strip()[-150:]}"
        return "terminal escapes" if "\x1b" in self.out + self.error else None


def _text(said: bytes) -> str:
    return said.decode(errors="replace")


def _record(folder: Path, name: str, content: bytes | str) -> None:
    (folder / "records").mkdir(parents=True, exist_ok=True)
    (folder / "items").mkdir(exist_ok=True)
    (folder / "records" / f"{name}.json").write_bytes(content.encode() if isinstance(content, str) else content)


def _changed(name: str, **changes: object) -> str:
    return json.dumps({**json.loads(to_json(replace(RECORD, hash=name))), **changes})


def _board(folder: Path) -> tuple[Said, str]:
    """The leaderboard of an empty output with `folder` merged in, where a good record lies too -> what it says."""
    _record(folder, "good", to_json(replace(RECORD, hash="good", adapter="the_good_one")))
    said = Said(folder.parent, "leaderboard", "--output", folder.parent / "board", "--merge", folder)
    made = folder.parent / "board" / "leaderboard.csv"
    return said, made.read_text() if made.exists() else ""


def foreign_records(folder: Path) -> str | None:
    """each is named and left out, the good one is shown"""
    foreign, whole = folder / "foreign", {"backbone": 9, "adapter": 9, "head": 9}
    for name, changes in {
        "count": {"parameters": {**whole, "adapter": 10**400}}, "negative": {"parameters": {**whole, "adapter": -1}},
        "score": {"scores": {"accuracy": 1.7e308}}, "nan": {"train_seconds": float("nan")},
        "half": {"adapter": "x\ud800"}, "long": {"adapter": "a" * 1_000_000},
        "history": {"history": [{"epoch": 1.0, "train_loss": 1.7976931348623157e308}]},
    }.items():  # fmt: skip
        _record(foreign, name, _changed(name, **changes))
    _record(foreign, "deep", b"[" * 100_000)
    (foreign / "records" / os.fsdecode(b"\xff.json")).write_text("{}")
    os.mkfifo(foreign / "records" / "pipe.json")
    (foreign / "records" / "link.json").symlink_to("/dev/zero")
    said, board = _board(foreign)
    told = said.out + said.error
    lost = [name for name in ("count", "negative", "score", "nan", "half", "long", "deep", "pipe", "link")
            if f"{name}.json" not in told]  # fmt: skip
    return said.wrong() or (f"not named: {lost}" if lost else None) or _lacks(board)


def _lacks(board: str) -> str | None:
    return None if "the_good_one" in board else "the good record is not shown"


def items_that_unpack_to_gigabytes(folder: Path) -> str | None:
    """their run counts without them, memory is bounded"""
    _record(folder / "foreign", "bomb", to_json(replace(RECORD, hash="bomb")))
    pack = zlib.compressobj(9, wbits=31)
    with (folder / "foreign" / "items" / "bomb.json.gz").open("wb") as file:
        for _ in range(1000):
            file.write(pack.compress(bytes(2**20)))
        file.write(pack.flush())
    said, board = _board(folder / "foreign")
    named = None if "bomb.json.gz" in said.out + said.error else "not named"
    return said.wrong() or named or _lacks(board)


def items_that_are_no_numbers(folder: Path) -> str | None:
    """their run counts without them"""
    for name, score in {"nan": "NaN", "huge": "9" * 400}.items():
        _record(folder / "foreign", name, to_json(replace(RECORD, hash=name, seed=len(name))))
        items = ",".join(f'{{"item": "{i}", "score": {score}, "kind": "k"}}' for i in range(9))
        (folder / "foreign" / "items" / f"{name}.json.gz").write_bytes(gzip.compress(f"[{items}]".encode()))
    said, board = _board(folder / "foreign")
    return said.wrong() or _lacks(board)


def names_that_act(folder: Path) -> str | None:
    """terminal, Markdown, LaTeX and CSV show them as text"""
    for place, name in enumerate((ESCAPES, f"`{LINK}", f"a|{LINK}", "=1+1", "[9cm]x", r"$\frac{$", "<img src=x>")):
        for field in ("backbone", "adapter", "task", "data", "protocol"):
            own = {field: name}
            _record(folder / "foreign", f"{field}{place}", to_json(replace(RECORD, hash=f"{field}{place}", **own)))  # type: ignore[arg-type]
    said, board = _board(folder / "foreign")
    made = {end: (folder / "board" / f"leaderboard.{end}").read_text() for end in ("md", "tex", "csv")}
    page = made["md"].replace("\\![", "").replace("\\<", "")
    live = [what for what in ("![i](", "<img") if what in page]
    live += ["a row of LaTeX begins with ["] * any(line.startswith("[") for line in made["tex"].splitlines())
    live += ["a cell begins with ="] * any(cell.startswith("=") for cell in made["csv"].replace("\n", ",").split(","))
    live += [f"escapes in .{end}" for end, text in made.items() if "\x1b" in text]
    return said.wrong() or (f"live: {live}" if live else None) or _lacks(board)


def plans_of_others(folder: Path) -> str | None:
    """`status` tells in a line, and shows names as text"""
    for place, odd in enumerate(
        ({"title": 5}, {"title": "\ud800"}, {"hash": "a" * 5000}, {"hash": "../x"}, {"title": ESCAPES + "\nfake"})
    ):
        output = folder / str(place)
        output.mkdir()
        cell = {"hash": "a1", "slug": "s", "title": "t", "work": 0.0, **odd}
        (output / "plan.json").write_text(json.dumps({"jobs": 1, "cells": [cell]}))
        said = Said(folder, "status", "--output", output)
        if wrong := said.wrong() or ("a line of its own" if "\nfake" in said.out else None):
            return f"{ascii(odd)[:40]}: {wrong}"
    return None


def links_in_an_output(folder: Path) -> str | None:
    """nothing outside of the folder is written"""
    whole = Said(folder, "run", *TRIVIAL, "--output", folder / "own")
    (log,) = (folder / "own" / "logs").glob("*.log")
    victim, output = folder / "victim", folder / "received"
    victim.write_text("precious")
    (output / "logs").mkdir(parents=True)
    (output / "logs" / log.name).symlink_to(victim)
    said = Said(folder, "run", *TRIVIAL, "--output", output)
    wrong = whole.wrong(0) or said.wrong()
    return wrong or (None if victim.read_text() == "precious" else "a file outside of the output was written")


def damaged_features(folder: Path) -> str | None:
    """they are made again, same scores"""
    first = Said(folder, "run", *TRIVIAL, "--output", folder / "whole")
    kept = list((folder / "cache" / "prepared").glob("features-*/records.bin"))
    for file in kept:
        file.write_bytes(bytes(file.stat().st_size))
    second = Said(folder, "run", *TRIVIAL, "--output", folder / "damaged")
    scores = [json.loads(next((folder / name / "records").glob("*")).read_bytes())["scores"]
              for name in ("whole", "damaged")]  # fmt: skip
    wrong = first.wrong(0) or second.wrong(0) or (None if kept else "nothing was kept")
    return wrong or (None if scores[0] == scores[1] else f"{scores[0]} became {scores[1]}")


def a_cache_that_others_may_write(folder: Path) -> str | None:
    """refused in one line"""
    (folder / "cache").mkdir()
    (folder / "cache").chmod(0o777)
    return Said(folder, "run", *TRIVIAL, "--output", folder / "out").wrong(2)


def odd_surroundings(folder: Path) -> str | None:
    """the grid completes: TMPDIR longer than a socket's path, an ASCII terminal, a name that is no UTF-8, a month's
    timeout"""
    far = folder / ("t" * 120)
    far.mkdir()
    for name, more, environment in (
        ("far", (), {"TMPDIR": str(far)}), ("ascii", (), {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}),
        (os.fsdecode(b"x\xff"), (), {}), ("month", ("--timeout", "2592000"), {}),
    ):  # fmt: skip
        if wrong := Said(folder, "run", *TRIVIAL, *more, "--output", folder / name, **environment).wrong(0):
            return f"{name!a}: {wrong}"
    return None


def mistaken_words(folder: Path) -> str | None:
    """refused in one line: no output, no such home, 5,000 digits, an infinite option, an infinite timeout, 100,000
    seeds"""
    cell = ("run", "--backbone", "tiny_vit", "--adapter", "linear_probe", "--task", "avqa", "--dry-run")
    many = folder / "many.toml"
    many.write_text("backbones=['tiny_vit']\nadapters=['lavish']\ntasks=['avqa']\n" + f"seeds={list(range(100_000))}\n")
    for words in (
        ("leaderboard", "--output", ""), (*cell, "--set", "data=~nosuchuser/AVE"),
        (*cell[:4], f"lavish(latents=0x{'f' * 5000})", *cell[5:]), (*cell, "--set", "adapter_lr=inf"),
        (*cell, "--timeout", "inf"), ("run", "--grid", many, "--dry-run"),
    ):  # fmt: skip
        said = Said(folder, *words)
        if wrong := said.wrong(2) or (None if said.error.count("\n") <= 4 else "many lines"):
            return f"{' '.join(map(str, words))[:60]}: {wrong}"
    return None


def a_full_standard_output(folder: Path) -> str | None:
    """no stack trace, another status than 0"""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "benchmark", "list"], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, check=False
        )
    said = _text(done.stderr)
    return f"status {done.returncode}: {said[-150:]}" if "Traceback" in said or done.returncode == 0 else None


def pictures_that_lead_out(folder: Path) -> str | None:
    """refused by name"""
    frames = folder / "data" / "video_frames" / "c"
    frames.mkdir(parents=True)
    Image.new("RGB", (32, 32), (200, 10, 10)).save(folder / "secret.jpg")
    (frames / "0001.jpg").symlink_to(folder / "secret.jpg")
    for name in ("trainSet", "valSet", "testSet", "Annotations"):
        (folder / "data" / f"{name}.txt").write_text("dog&c&good&0&1\n")
    said = Said(folder, "data", "verify", "event_localisation", "--data", folder / "data", "--jobs", 1)
    return said.wrong(1, 2) or (None if "link" in said.out + said.error else "not called a link")


ATTACKS: tuple[Attack, ...] = (
    foreign_records,
    items_that_unpack_to_gigabytes,
    items_that_are_no_numbers,
    names_that_act,
    plans_of_others,
    links_in_an_output,
    damaged_features,
    a_cache_that_others_may_write,
    odd_surroundings,
    mistaken_words,
    a_full_standard_output,
    pictures_that_lead_out,
)


def run(attacks: tuple[Attack, ...]) -> int:
    """The table, as it comes -> how many promises were broken."""
    print("### Hostile files and odd surroundings\n\n| attack | what must follow | seen |\n|---|---|---|")
    bad = 0
    for attack in attacks:
        with TemporaryDirectory() as folder:
            wrong = attack(Path(folder))
        bad += wrong is not None
        told = f"**no**: {' '.join(wrong.split()).replace('|', '/')}" if wrong else "yes"
        print(
            f"| {attack.__name__.replace('_', ' ')} | {' '.join((attack.__doc__ or '').split())} | {told} |", flush=True
        )
    return bad


if __name__ == "__main__":
    words = sys.argv[1:]
    chosen = tuple(attack for attack in ATTACKS if not words or any(word in attack.__name__ for word in words))
    sys.exit(1 if run(chosen) else 0)
