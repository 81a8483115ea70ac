"""What a run costs beside its peak memory: training time of a clip, costs at batch size 1, bytes of the checkpoint."""

from __future__ import annotations

import ctypes
import gc
import logging
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from benchmark.cost.measure import PeakMemory, wait_for
from benchmark.data.loader import clips_in
from results.record import SingleClip

logger = logging.getLogger(__name__)

WARM_UP, TIMED = 2, 50
"""Training steps left out of the time of a clip, and steps timed: a GPU must wait at each."""
SINGLE_STEPS = 5
"""Of training and of inference at batch size 1, after one that is left out."""


class TrainingClock(Hook):
    """Times the first training steps with a full batch, and keeps one clip of each loop for `single_clip`."""

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._seconds: list[float] = []
        self._started = 0.0
        self.train_clip: Any = None
        """A collated batch of one clip as it comes from the training loader."""
        self.test_clip: Any = None

    def take_clips(self, train: Any, test: Any) -> None:
        """Keep the first clips of these batches instead of those that the loops saw, which were features."""
        self.train_clip, self.test_clip = _first(train), _first(test)

    @property
    def ms_per_clip(self) -> float | None:
        """The median; None where no step was timed."""
        timed = self._seconds[WARM_UP:] or self._seconds
        return 1000 * statistics.median(timed) / self._batch_size if timed else None

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if self.train_clip is None:
            self.train_clip = _first(data_batch)
        if self._wants_more(data_batch):
            wait_for(runner.model)
            self._started = time.perf_counter()

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if self._wants_more(data_batch):
            wait_for(runner.model)
            self._seconds.append(time.perf_counter() - self._started)

    def before_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if self.test_clip is None:
            self.test_clip = _first(data_batch)

    def _wants_more(self, batch: Any) -> bool:
        return len(self._seconds) < WARM_UP + TIMED and clips_in(batch["inputs"]) == self._batch_size


def single_clip(runner: Runner, clock: TrainingClock, device: str) -> SingleClip | None:
    """Memory and time of training and inference with one clip; None where a part cannot work with one.

    It trains the model on, so it comes after everything that is kept. On CPU the memory is the whole process's, kept
    pictures of small splits included.
    """
    model, steps = runner.model, runner.optim_wrapper
    if clock.train_clip is None or clock.test_clip is None:
        return None
    try:
        give_back_memory()
        memory = PeakMemory(device)
        model.train()
        # Accumulation counts to the end of the training loop, which these steps go beyond.
        steps.initialize_count_status(model, 0, -1)
        train_ms = _median_ms(lambda: model.train_step(clock.train_clip, steps), model)
        peak = memory.read()
        model.eval()
        inference_ms = _median_ms(lambda: model.test_step(clock.test_clip), model)
    except (RuntimeError, ValueError) as error:
        logger.warning("costs at batch size 1 cannot be measured: %s", error)
        return None
    return SingleClip(peak, train_ms, inference_ms)


def _median_ms(step: Callable[[], Any], model: torch.nn.Module) -> float:
    seconds = []
    for _ in range(1 + SINGLE_STEPS):
        wait_for(model)
        started = time.perf_counter()
        step()
        wait_for(model)
        seconds.append(time.perf_counter() - started)
    return 1000 * statistics.median(seconds[1:])


def _first(batch: Any) -> Any:
    """A batch of the first clip of a collated batch."""
    if isinstance(batch, dict):
        return {name: _first(value) for name, value in batch.items()}
    return batch[:1]


def give_back_memory() -> None:
    """Freed memory goes back to the system, which else would count it as held."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
