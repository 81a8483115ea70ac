"""One cell's cost, each figure beside the rate of matrix products that the machine had in the same seconds."""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import torch
from torch import Tensor

from benchmark.cost.clocks import give_back_memory
from benchmark.cost.describe import count_training, without_weights
from benchmark.cost.flops import squared
from benchmark.cost.measure import PeakMemory, wait_for
from benchmark.data.loader import clip_loader
from benchmark.model.build import build_model, build_task
from benchmark.model.model import MULTIPLIED_IN, AudioVisualModel, Precision
from benchmark.profile.machine_rate import Products, share, timed
from benchmark.profile.operators import longest
from benchmark.runtime.allocator import KEEP_FREED_MEMORY
from benchmark.runtime.environment import device_name
from benchmark.runtime.seeding import choose_repeatable_kernels
from benchmark.train.optimizer import AccumulatingOptimizer, build_optimizer, loss_scaler
from registry import Component
from registry.errors import UserError
from registry.machine import cores
from registry.plugins import load_plugins
from registry.vocabulary import Inputs
from tasks.recipe import Checkpointing, Recipe, check_precision
from tasks.task import Task


@dataclass(frozen=True)
class ProfileRequest:
    """What is measured.

    steps: timed steps of training, and as many of inference, after `warm_up` that are not.
    kernels: whether one more step is watched for what it spends its time in.
    data: whether batches come from the task's training split through its loader, or are made of random numbers.
    pretrained: whether the backbone's weights are read; random ones cost the same.
    product_side: of the square matrices whose product tells the machine's rate; None for `machine_rate.PRODUCT_SIDE`.
    """

    backbone: Component
    adapter: Component
    task: Component
    batch: int = 1
    precision: Precision = "bf16"
    checkpointing: Checkpointing = "auto"
    compile: Literal["none", "blocks"] = "none"
    kernels: bool = False
    steps: int = 5
    warm_up: int = 1
    device: str = "cpu"
    data: bool = False
    pretrained: bool = False
    product_side: int | None = None
    plugins: tuple[str, ...] = ()

    @property
    def built(self) -> Component:
        """The backbone as it is built."""
        return self.backbone if self.pretrained else without_weights(self.backbone)


def profile_cell(asked: ProfileRequest) -> dict[str, Any]:
    """`measure` in a fresh process with the allocator's settings of a training cell.

    Raises:
        UserError: a mistake in what was asked, or the process was killed, as happens when memory runs out.
    """
    check_precision(asked.precision, asked.device)
    with _environment(KEEP_FREED_MEMORY), ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(measure, asked).result()
        except BrokenProcessPool:
            raise UserError(
                f"the process of batch {asked.batch} was killed, most likely out of memory; use a smaller --batch."
            ) from None
        except torch.OutOfMemoryError:
            raise UserError(f"batch {asked.batch} does not fit into the GPU's memory; use a smaller --batch.") from None


def measure(asked: ProfileRequest) -> dict[str, Any]:
    """Times, memory, operations and the share of the machine's own rate that they reach, in plain values.

    Seconds are medians. What a share is: `machine_rate.share`.

    Raises:
        UserError: a mistake in what was asked.
    """
    load_plugins(list(asked.plugins), report=lambda line: None)
    operations = count_training(asked.built, asked.adapter, asked.task)
    work = Work(asked)
    give_back_memory()
    memory = PeakMemory(asked.device)
    for _ in range(asked.warm_up):
        work.train()
    peak = memory.read()
    device = torch.device(asked.device)
    products = Products(device, MULTIPLIED_IN[asked.precision], asked.product_side)
    training = timed(work.train, asked.steps, products)
    step_seconds = statistics.median(t.seconds for t in training)
    listed = longest(work.train, device, step_seconds) if asked.kernels else None
    work.model.eval()
    work.infer()
    inference = timed(work.infer, asked.steps, products)
    forward, backward = (operations.forward, operations.backward) if operations else (None, None)
    per_step = asked.batch * (forward + backward) if forward is not None and backward is not None else None
    per_look = asked.batch * forward if forward is not None else None
    rate, fastest = (max(rates) for rates in zip(*(t.rates for t in (*training, *inference)), strict=True))
    return {
        "backbone": str(asked.backbone),
        "adapter": str(asked.adapter),
        "task": str(asked.task),
        "batch": asked.batch,
        "precision": asked.precision,
        "checkpointing": asked.checkpointing,
        "compile": asked.compile,
        "labels": _labels(work.model, work.task, asked),
        "step_ms_per_clip": 1000 * step_seconds / asked.batch,
        "inference_ms_per_clip": 1000 * statistics.median(t.seconds for t in inference) / asked.batch,
        "data_wait": work.waited / work.loaded if work.loaded else None,
        "peak_memory_mb": peak,
        "forward_gflops_per_clip": forward and forward / 1e9,
        "backward_gflops_per_clip": backward if backward is None else backward / 1e9,
        "product_gflops_per_second": rate / 1e9,
        "fastest_product_gflops_per_second": fastest / 1e9,
        "step_share": share(training, per_step),
        "step_share_of_fastest_product": share(training, per_step, of_fastest=True),
        "inference_share": share(inference, per_look),
        "inference_share_of_fastest_product": share(inference, per_look, of_fastest=True),
        "kernels": listed,
        "steps": asked.steps,
        "step_seconds": [t.seconds for t in training],
        "device": asked.device,
        "device_name": device_name(asked.device),
        "threads": torch.get_num_threads(),
        "load_average": os.getloadavg()[0],
        "torch": torch.__version__,
        "date": datetime.now(UTC).date().isoformat(),
    }


class Work:
    """The model that is measured, which begins in training, its steps, and how long they waited for data.

    Built with the threads and kernels of a training cell, which the whole process has from then on.
    """

    def __init__(self, asked: ProfileRequest) -> None:
        self._device = torch.device(asked.device)
        if self._device.type == "cpu":
            torch.set_num_threads(cores())
        choose_repeatable_kernels(asked.device)
        self.task = build_task(asked.task)
        model = build_model(
            asked.built,
            asked.adapter,
            self.task,
            seed=0,
            precision=asked.precision,
            checkpointing=asked.checkpointing,
            compiled=asked.compile == "blocks",
        )
        self.model = model.to(asked.device).train()
        self._side = model.encoder.backbone.picture.size
        recipe = Recipe(precision=asked.precision)
        self._steps = AccumulatingOptimizer(
            build_optimizer(self.model, recipe),
            accumulate=1,
            clip_norm=recipe.clip_norm,
            scaler=loss_scaler(recipe.precision, asked.device),
        )
        self._batches = _endless(self.task, self._side, asked) if asked.data else None
        self._random = None if asked.data else random_inputs(self.task, self.model, asked.batch)
        self.waited = self.loaded = 0.0
        """Seconds for the loader, and of whole steps with one."""

    def train(self) -> None:
        """One training step."""
        begun = time.perf_counter()
        if self._batches is None:
            outputs = self.model(**self._prepared(), mode="tensor")
            self._steps.update_params(squared(outputs))
        else:
            batch = self._next()
            self.model.train_step(batch, self._steps)
        self._finish(begun)

    @torch.inference_mode()
    def infer(self) -> None:
        """One forward pass in inference mode."""
        begun = time.perf_counter()
        if self._batches is None:
            self.model(**self._prepared(), mode="tensor")
        else:
            self.model.test_step(self._next())
        self._finish(begun)

    def _prepared(self) -> Any:
        return self.model.data_preprocessor({"inputs": self._random, "targets": {}})

    def _next(self) -> Any:
        assert self._batches is not None
        begun = time.perf_counter()
        batch = next(self._batches)
        self.waited += time.perf_counter() - begun
        return batch

    def _finish(self, begun: float) -> None:
        wait_for(self._device)
        self.loaded += time.perf_counter() - begun if self._batches is not None else 0.0


def random_inputs(task: Task, model: AudioVisualModel, batch: int) -> Inputs:
    """Noise as frames of the backbone's own size and as sound; other inputs as the task's example has them."""
    side = model.encoder.backbone.picture.size
    generator = torch.Generator().manual_seed(0)

    def noise(name: str, value: Tensor) -> Tensor:
        if name.endswith("frames"):
            return torch.randint(0, 256, (*value.shape[:-2], side, side), dtype=torch.uint8, generator=generator)
        if name == "waveform":
            loudness = 0.1 if value.is_floating_point() else 3000.0
            return (loudness * torch.randn(value.shape, generator=generator)).to(value.dtype)
        return value

    return {name: noise(name, value) for name, value in task.example_inputs(batch).items()}


def _endless(task: Task, side: int, asked: ProfileRequest) -> Iterator[Any]:
    """Batches of the training split in order, again and again."""
    task.prepare()
    clips = task.with_frames(side).dataset("train")
    if len(clips) < asked.batch:  # type: ignore[arg-type]
        raise UserError(f"--batch {asked.batch} is more than the training split's {len(clips)} clips.")  # type: ignore[arg-type]
    while True:
        yield from clip_loader(clips, workers=1, batch_size=asked.batch, drop_last=True)


def _labels(model: AudioVisualModel, task: Task, asked: ProfileRequest) -> list[str]:
    known = {
        "random weights": model.encoder.backbone.random_weights,
        "random inputs": not asked.data,
        "synthetic data": asked.data and (task.is_synthetic or task.is_sample),
    }
    return [label for label, holds in known.items() if holds]


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Variables that a child started within finds."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
