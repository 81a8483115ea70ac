"""Weight averaging: the mean of the trained parameters over a span of epochs, as STG-CMA evaluates it."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from benchmark.train.checkpoint import State, trained_state


class AverageOfEpochs(Hook):
    """Sums what is trained after each epoch from `first` to `last`, counted from 1; nothing frozen is ever copied.

    Buffers, such as the statistics of batch norms, are those of the latest of these epochs.
    """

    def __init__(self, first: int, last: int) -> None:
        self._first, self._last = first, last
        self._sum: State = {}
        self._count = 0

    @property
    def state(self) -> State:
        """The mean so far, for `restore`; empty where training ended before the first of the epochs."""
        return {name: self._mean(value) for name, value in self._sum.items()}

    def after_train_epoch(self, runner: Runner) -> None:
        if not self._first <= runner.epoch + 1 <= self._last:
            return
        trained = {name for name, p in runner.model.named_parameters() if p.requires_grad}
        for name, value in trained_state(runner.model).items():
            added = value.double() if name in trained else value
            self._sum[name] = self._sum[name] + added if self._count and name in trained else added
        self._count += 1

    def state_dict(self) -> tuple[State, Any]:
        """What a run that goes on after a cut needs to know."""
        return self._sum, {"count": self._count}

    def load_state_dict(self, tensors: State, facts: Any) -> None:
        self._sum, self._count = dict(tensors), facts["count"]

    def _mean(self, value: torch.Tensor) -> torch.Tensor:
        return (value / self._count).float() if value.dtype == torch.float64 else value
