"""Steps of one combination with a constant of the code at several values in turn, in one process.

    python measurements/speed/in_turn.py backbones.kernels.attention CACHED 2**18 2**20 --backbone swin_v2_base
    python measurements/speed/in_turn.py backbones.kernels.attention CACHED 2**18 2**20 --inference

The machine drifts by more than what a small change gains, so that two runs one after the other cannot tell it. Here
every value has a step before any has its next. Values are Python, read with the names of the constant's own module.
Random weights, random inputs, the allocator's settings and all cores of a training cell.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime

from benchmark.profile.profile import ProfileRequest, Work
from benchmark.runtime.allocator import keep_freed_memory
from benchmark.runtime.environment import device_name
from registry import Component
from registry.machine import cores


def measure(asked: ProfileRequest, module: str, name: str, values: Sequence[str], inference: bool) -> list[list[float]]:
    """Seconds of `asked.steps` steps with each value, after `asked.warm_up` that do not count."""
    work = Work(asked)
    work.model.train(not inference)
    return in_turn(work.infer if inference else work.train, module, name, values, asked.warm_up, asked.steps)


def in_turn(
    step: Callable[[], None], module: str, name: str, values: Sequence[str], warm_up: int, steps: int
) -> list[list[float]]:
    """Seconds of each step, a list for each value; the constant is as it was afterwards."""
    place = importlib.import_module(module)
    before = getattr(place, name)
    choices = [eval(value, dict(vars(place))) for value in values]
    seconds: list[list[float]] = [[] for _ in values]
    for turn in range(warm_up + steps):
        for choice, found in zip(choices, seconds, strict=True):
            setattr(place, name, choice)
            begun = time.perf_counter()
            step()
            found += [time.perf_counter() - begun] if turn >= warm_up else []
    setattr(place, name, before)
    return seconds


def table(values: Sequence[str], seconds: Sequence[Sequence[float]]) -> str:
    """A row for each value; last, the median share of the time that the first value's step of that turn took."""
    lines = ["| value | median, ms | best, ms | of the first |", "|---|---|---|---|"]
    for value, found in zip(values, seconds, strict=True):
        ratio = statistics.median(a / b for a, b in zip(found, seconds[0], strict=True))
        median = statistics.median(found)
        lines.append(f"| `{value}` | {1000 * median:.1f} | {1000 * min(found):.1f} | {100 * ratio:.1f} % |")
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("module", help="where the constant lives, such as backbones.kernels.attention")
    parser.add_argument("name")
    parser.add_argument("values", nargs="+")
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--adapter", required=True)
    parser.add_argument("--task", default="event_localisation(data='ave')", help="default: %(default)s")
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16")
    parser.add_argument("--checkpointing", choices=("none", "auto", "blocks"), default="auto")
    parser.add_argument("--batch", type=int, default=1, help="clips (default: 1)")
    parser.add_argument("--steps", type=int, default=9, help="with each value (default: 9)")
    parser.add_argument("--inference", action="store_true", help="forward passes in place of training steps")
    a = parser.parse_args(words)
    asked = ProfileRequest(
        *(Component.parse(text) for text in (a.backbone, a.adapter, a.task)),
        batch=a.batch,
        precision=a.precision,
        checkpointing=a.checkpointing,
        steps=a.steps,
    )
    keep_freed_memory()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        seconds = pool.submit(measure, asked, a.module, a.name, a.values, a.inference).result()
    what = "inference" if a.inference else "training"
    where = f"{device_name('cpu')}, {cores()} threads, load {os.getloadavg()[0]:.1f}, {datetime.now(UTC).date()}"
    print(f"{a.module}.{a.name}, {what} of {a.backbone} + {a.adapter}, {a.precision}, batch {a.batch}, {a.steps} each")
    print(f"{where}\n\n{table(a.values, seconds)}")


if __name__ == "__main__":
    main()
