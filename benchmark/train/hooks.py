"""What happens around mmengine's loops: seeds, the story of each epoch, the best state, the inference clock."""

from __future__ import annotations

import logging
import math
import statistics
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from benchmark.cost.measure import wait_for
from benchmark.data.feature_cache import changes_by_epoch
from benchmark.data.loader import clips_of
from benchmark.runtime.progress import Progress, ProgressReport
from benchmark.runtime.seeding import derive_seed, seed_everything
from benchmark.train.checkpoint import State, trained_state
from benchmark.train.distributed import rank
from benchmark.train.failures import NonFiniteLossError

logger = logging.getLogger(__name__)


class Reporter:
    """Tells the launcher where the cell stands, at most a few times a second."""

    def __init__(self, report: ProgressReport, slug: str, epochs: int, interval: float = 0.5) -> None:
        self._report, self._interval = report, interval
        self._latest = Progress(slug, "build", epochs=epochs)
        self._told = -math.inf

    @property
    def due(self) -> bool:
        """Whether the last report is long enough ago for another."""
        return time.monotonic() - self._told >= self._interval

    def tell(self, **changes: Any) -> None:
        """ProgressReport the latest state with these fields of `Progress` changed."""
        self._latest = replace(self._latest, **changes)
        self._told = time.monotonic()
        self._report(self._latest)


class EpochSeeds(Hook):
    """Makes each training epoch depend on the seed and its number alone, never on what was drawn before it."""

    priority = "VERY_HIGH"

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def before_train_epoch(self, runner: Runner) -> None:
        # Processes that train together must not drop the same units.
        seed_everything(self._seed, "epoch", runner.epoch, *([rank()] if rank() else []))
        runner.train_dataloader.sampler.set_epoch(runner.epoch)
        clips: Any = clips_of(runner.train_dataloader)
        if changes_by_epoch(clips):
            clips.begin_epoch(derive_seed(self._seed, "items", runner.epoch))


class History(Hook):
    """Keeps the history of the epochs, tells it to the log and the launcher, and stops a run whose loss is lost."""

    def __init__(self, reporter: Reporter, primary_metric: str) -> None:
        self.history: list[dict[str, float]] = []
        self._reporter, self._primary = reporter, primary_metric
        self._total: Tensor | float = 0.0
        self._steps = 0
        self._started = 0.0

    def before_train_epoch(self, runner: Runner) -> None:
        self._total, self._steps, self._started = 0.0, 0, time.perf_counter()
        self._reporter.tell(phase="train", epoch=runner.epoch + 1, step=0, steps=len(runner.train_dataloader))

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self._total = self._total + outputs["loss"]
        self._steps += 1
        # Reading a loss makes a GPU wait, so it is read as often as somebody is told.
        if self._reporter.due:
            self._reporter.tell(step=self._steps, loss=self._mean_loss(runner))

    def after_train_epoch(self, runner: Runner) -> None:
        entry = {"epoch": runner.epoch + 1, "train_loss": self._mean_loss(runner)}
        self.history.append({**entry, "seconds": time.perf_counter() - self._started})

    def before_val_epoch(self, runner: Runner) -> None:
        self._reporter.tell(phase="validate", step=0, steps=len(runner.val_dataloader))

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self.history[-1].update(metrics or {})
        entry = self.history[-1]
        self._reporter.tell(score=max(e[self._primary] for e in self.history if self._primary in e))
        logger.info(
            "epoch %d: loss %.4f, %s %.2f, %.1f s",
            *(entry[name] for name in ("epoch", "train_loss")),
            self._primary,
            entry[self._primary],
            entry["seconds"],
        )

    def state_dict(self) -> tuple[State, Any]:
        """See `benchmark.train.resume.Resumable`."""
        return {}, self.history

    def load_state_dict(self, tensors: State, facts: Any) -> None:
        self.history[:] = facts

    def _mean_loss(self, runner: Runner) -> float:
        """Over the steps of this epoch so far; a single loss that is not finite stays in the sum."""
        mean = float(self._total) / self._steps
        if not math.isfinite(mean):
            raise NonFiniteLossError(f"the loss became {mean} in epoch {runner.epoch + 1}; try a lower rate.")
        return mean


class BestState(Hook):
    """Keeps the trained state with the best validation score, the earliest of equals, and stops a run without hope.

    Args:
        metric: higher is better.
        patience: epochs without a better score before training stops; 0 never stops.
    """

    def __init__(self, metric: str, patience: int = 0) -> None:
        self._metric, self._patience = metric, patience
        self.epoch: int | None = None
        self.scores: dict[str, float] = {}
        self.state: State = {}

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        # mmengine has already counted this epoch as done.
        epoch, metrics = runner.epoch, metrics or {}
        if self.epoch is None or self._is_better(metrics[self._metric]):
            self.epoch, self.scores, self.state = epoch, dict(metrics), trained_state(runner.model)
        elif self._patience and epoch - self.epoch >= self._patience:
            logger.info("no better validation score for %d epochs: training stops", self._patience)
            runner.train_loop.stop_training = True

    def state_dict(self) -> tuple[State, Any]:
        """See `benchmark.train.resume.Resumable`."""
        return self.state, {"epoch": self.epoch, "scores": self.scores}

    def load_state_dict(self, tensors: State, facts: Any) -> None:
        self.state, self.epoch, self.scores = tensors, facts["epoch"], facts["scores"]

    def _is_better(self, score: float) -> bool:
        best = self.scores[self._metric]
        return score > best or (math.isnan(best) and not math.isnan(score))


class InferenceClock(Hook):
    """Times every full batch of the test pass, from the collated batch to predictions on the CPU."""

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._seconds: list[float] = []
        self._all_seconds_per_clip: list[float] = []
        self._started = 0.0

    @property
    def ms_per_clip(self) -> float | None:
        """The median; of all batches where none was full, None where there was none."""
        full = [seconds / self._batch_size for seconds in self._seconds]
        timed = full or self._all_seconds_per_clip
        return 1000 * statistics.median(timed) if timed else None

    def time(self, runner: Runner, batches: Iterable[Any]) -> None:
        """Time these batches instead of the test pass, where that read features which were computed before."""
        self._seconds, self._all_seconds_per_clip = [], []
        runner.model.eval()
        for index, batch in enumerate(batches):
            self.before_test_iter(runner, index)
            self.after_test_iter(runner, index, outputs=runner.model.test_step(batch))

    def before_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        wait_for(runner.model)
        self._started = time.perf_counter()

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        wait_for(runner.model)
        seconds = time.perf_counter() - self._started
        clips = len(outputs)
        self._all_seconds_per_clip.append(seconds / clips)
        if clips == self._batch_size:
            self._seconds.append(seconds)
