"""How time and memory of a training step grow with clips, segments, picture side, and tokens of the exchange.

    python measurements/speed/scaling.py                  # measurements/store.py keeps it for docs/evidence/scaling.md
    python measurements/speed/scaling.py --axes segments exchange

ViT-S/16 with random weights and random square pictures for both modalities, bf16. Each point runs in a process of its
own. Memory is the resident peak of a step beyond what the process held before it, model and libraries aside; time is a
median of three steps. The exponent of an axis is the slope of a line through the logarithms: 1 is linear.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from backbones.kernels.attention import cross_attend
from benchmark.cost.clocks import give_back_memory
from benchmark.cost.measure import PeakMemory
from benchmark.model.build import build_backbone, build_scheme
from benchmark.model.encoder import Encoder
from registry import Component
from registry.machine import cores

ROOT = Path(__file__).resolve().parents[2]
MODEL = "vit_small_patch16_224.augreg_in21k"
PATCH, TIMED = 16, 3
CODE = 64
"""Width of the codes that the exchange alone is tried on."""
ADAPTERS = ("stg_cma", "lavish")


@dataclass(frozen=True)
class Point:
    """One step. With an adapter `side` is of pictures, else `tokens` of the exchange alone."""

    adapter: str = ""
    clips: int = 1
    segments: int = 4
    side: int = 112
    tokens: int = 0


@dataclass(frozen=True)
class Cost:
    seconds: float
    memory: float
    """MiB."""


AXES: dict[str, tuple[str, tuple[int, ...], Point]] = {
    "clips": ("clips", (1, 2, 4, 8), Point()),
    "segments": ("segments", (2, 4, 8, 16, 32), Point()),
    "side": ("side", (112, 224, 336, 448), Point(segments=2)),
    "exchange": ("tokens", (196, 784, 1568, 3136), Point(segments=4)),
}


def points(axis: str, adapter: str) -> list[Point]:
    """The steps of an axis; the exchange alone has no adapter."""
    field, values, base = AXES[axis]
    return [replace(base, adapter="" if axis == "exchange" else adapter, **{field: value}) for value in values]


def measure(point: Point) -> Cost:
    """Time and memory of a step, forward and backward."""
    torch.set_num_threads(cores())
    torch.manual_seed(0)
    step = _model_step(point) if point.adapter else _exchange_step(point)
    give_back_memory()
    memory = PeakMemory("cpu")
    before = memory.read()
    step()
    peak = memory.read() - before
    return Cost(statistics.median(_seconds(step) for _ in range(TIMED)), peak)


def exponent(values: Sequence[float], costs: Sequence[float]) -> float:
    """The slope of a line through the logarithms, least squares."""
    xs, ys = [math.log(v) for v in values], [math.log(c) for c in costs]
    x_mean, y_mean = statistics.mean(xs), statistics.mean(ys)
    rise = sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True))
    return rise / sum((x - x_mean) ** 2 for x in xs)


def table(axis: str, adapter: str, costs: Sequence[Cost]) -> str:
    """Markdown: one row a point, the exponents below."""
    field, values, base = AXES[axis]
    of = f"exchange alone, codes of width {CODE}" if axis == "exchange" else f"ViT-S/16 + {adapter}"
    fixed = {
        "clips": f"{base.segments} segments, side {base.side}",
        "segments": f"1 clip, side {base.side}",
        "side": f"1 clip, {base.segments} segments",
        "exchange": f"1 clip, {base.segments} segments",
    }[axis]
    lines = [f"### {axis}: {of}", "", fixed, "", f"| {field} | seconds | memory of the step, MiB |", "|---|---|---|"]
    rows = zip(values, costs, strict=True)
    lines += [f"| {_value(axis, value)} | {cost.seconds:.3f} | {cost.memory:.0f} |" for value, cost in rows]
    # The work of a picture is in its tokens, which grow with the square of its side.
    sizes = [(value // PATCH) ** 2 for value in values] if axis == "side" else values
    slopes = (exponent(sizes, [c.seconds for c in costs]), exponent(sizes, [c.memory for c in costs]))
    what = "tokens" if axis == "side" else field
    return "\n".join([*lines, "", f"Exponent in {what}: time {slopes[0]:.2f}, memory {slopes[1]:.2f}."])


def _value(axis: str, value: int) -> str:
    return f"{value} ({(value // PATCH) ** 2} tokens)" if axis == "side" else str(value)


def _model_step(point: Point) -> Callable[[], None]:
    sound = {"frames": point.side, "mel_bands": point.side, "frame_shift_ms": 1000 / point.side}
    options = {"model": MODEL, "weights": "none", "size": point.side, "sound": sound}
    backbone = build_backbone(Component("vit", options)).cast_projections(torch.bfloat16)
    encoder = Encoder(backbone, build_scheme(Component(point.adapter), backbone, point.segments)).train()
    shape = (point.clips, point.segments, 3, point.side, point.side)
    pictures = {"visual": torch.randn(shape), "audio": torch.randn(shape)}

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            features = encoder(pictures)
        sum(f.pooled.float().square().mean() for f in features.values()).backward()
        encoder.zero_grad()

    return step


def _exchange_step(point: Point) -> Callable[[], None]:
    shape = (point.clips, point.segments, point.tokens, CODE)
    codes = [torch.randn(shape).bfloat16().requires_grad_() for _ in range(2)]

    def step() -> None:
        (cross_attend(*codes).float().square().mean() + cross_attend(*codes[::-1]).float().square().mean()).backward()
        for code in codes:
            code.grad = None

    return step


def _seconds(step: Callable[[], None]) -> float:
    begun = time.perf_counter()
    step()
    return time.perf_counter() - begun


def _alone(point: Point) -> Cost:
    print(point, file=sys.stderr, flush=True)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, point).result()


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--axes", nargs="+", choices=AXES, default=list(AXES), metavar="AXIS", help=f"of {[*AXES]}")
    parser.add_argument("--adapters", nargs="+", choices=ADAPTERS, default=list(ADAPTERS))
    arguments = parser.parse_args(words)
    for axis in arguments.axes:
        for adapter in ("",) if axis == "exchange" else arguments.adapters:
            print(table(axis, adapter, [_alone(point) for point in points(axis, adapter)]) + "\n", flush=True)


if __name__ == "__main__":
    main()
