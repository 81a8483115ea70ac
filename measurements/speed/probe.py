"""What kept features save a linear probe: the time of an epoch with and without them, and of a sweep of ten rates.

    python measurements/speed/probe.py                                  # an epoch of clip_vit_base, then the sweep
    python measurements/speed/probe.py --only sweep --sweep-clips 200

Each part has a cache of its own in a temporary folder, so nothing is kept before it begins. Clips are synthetic,
written as files in AVE's layout (ten segments); weights are random, which costs the same.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
EPOCH_BACKBONE = "clip_vit_base(weights='none')"
SWEEP_BACKBONE = "vit(model='vit_tiny_patch16_224', weights='none')"
RATES = [f"{3e-4 * 10 ** (step / 4.5):.2g}" for step in range(10)]
EPOCHS_ON_FEATURES = 20
"""One of them takes milliseconds, so that several are needed to time it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epoch-clips", type=int, default=8, metavar="N", help="clips of each split for the epoch")
    parser.add_argument("--sweep-clips", type=int, default=100, metavar="N", help="clips of each split for the sweep")
    parser.add_argument("--epoch-backbone", default=EPOCH_BACKBONE)
    parser.add_argument("--sweep-backbone", default=SWEEP_BACKBONE)
    parser.add_argument("--sweep-epochs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--only", choices=["epoch", "sweep"])
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        if asked.only != "sweep":
            _time_epochs(asked, Path(folder))
        if asked.only != "epoch":
            _time_sweep(asked, Path(folder))


def _time_epochs(asked: argparse.Namespace, folder: Path) -> None:
    """Training and validation, as the record's `train_seconds` has them; making the features is not in it."""
    data = _clips(folder / "epoch_clips", asked.epoch_clips)
    cache = {"AVBENCH_CACHE": str(folder / "epoch_cache")}

    def seconds(epochs: int, name: str, **environment: str) -> float:
        words = _words(asked.epoch_backbone, data, asked.batch, epochs, folder / name)
        _run([*words, "--jobs", "1"], {**cache, **environment})
        return _record(folder / name)["train_seconds"] / epochs

    without = seconds(1, "without", AVBENCH_PREPARED="none")
    on_features = seconds(EPOCHS_ON_FEATURES, "on_features")
    print(f"{asked.epoch_backbone}, {asked.epoch_clips} clips a split, batch {asked.batch}, load {_load()}")
    ratio = f"{without / on_features:.0f} x"
    print(f"an epoch: {without:.2f} s without, {1000 * on_features:.1f} ms on kept features: {ratio}")


def _time_sweep(asked: argparse.Namespace, folder: Path) -> None:
    """Wall time of the whole commands, from nothing kept to the leaderboard."""
    data = _clips(folder / "sweep_clips", asked.sweep_clips)
    seconds = {}
    for name, rates in (("one", RATES[4:5]), ("ten", RATES)):
        words = _words(asked.sweep_backbone, data, asked.batch, asked.sweep_epochs, folder / name)
        begun = time.perf_counter()
        _run([*words, "--set", f"head_lr={','.join(rates)}"], {"AVBENCH_CACHE": str(folder / f"cache_{name}")})
        seconds[name] = time.perf_counter() - begun
    print(f"{asked.sweep_backbone}, {asked.sweep_clips} clips a split, {asked.sweep_epochs} epochs, load {_load()}")
    print(f"one rate {seconds['one']:.1f} s, ten rates {seconds['ten']:.1f} s: {seconds['ten'] / seconds['one']:.2f} x")


def _clips(folder: Path, count: int) -> Path:
    _run(["data", "sample", str(folder), "--layout", "ave", "--clips", str(count)], {})
    return folder


def _words(backbone: str, data: Path, batch: int, epochs: int, output: Path) -> list[str]:
    cell = ["--backbone", backbone, "--adapter", "linear_probe", "--task", f"event_localisation(data={str(data)!r})"]
    recipe = ["--set", f"batch_size={batch}", "--set", f"epochs={epochs}", "--set", "patience=0"]
    return ["run", *cell, *recipe, "--output", str(output)]


def _run(words: Sequence[str], environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", *words], cwd=ROOT, env={**os.environ, **environment},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stdout)


def _record(output: Path) -> dict[str, Any]:
    (file,) = (output / "records").glob("*.json")
    return json.loads(file.read_text())


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    main()
