"""Learning rates over the iterations of a run, as published recipes have them."""

from __future__ import annotations

import math

from mmengine.optim.scheduler.param_scheduler import _ParamScheduler
from torch.optim import Optimizer

from tasks.recipe import Recipe


def rate(recipe: Recipe, base: float, iteration: int, iterations: int, warmup: int) -> float:
    """The learning rate of one iteration, counted from 0.

    Args:
        base: the group's full rate.
        iterations: of one epoch.
        warmup: iterations of the warm-up.
    """
    if iteration < warmup:
        if recipe.warmup_start == "zero":
            return base * iteration / max(1, warmup - 1)
        return base * (iteration + 1) / warmup
    if recipe.schedule == "constant":
        return base
    if recipe.schedule == "step":
        return base * recipe.step_factor ** (iteration // iterations // recipe.step_epochs)
    final = recipe.final_lr or base * recipe.final_lr_ratio
    done = (iteration - warmup) / (recipe.epochs * iterations - warmup)
    return final + 0.5 * (base - final) * (1 + math.cos(math.pi * done))


class LearningRateSchedule(_ParamScheduler):
    """`rate` for every group of an optimiser, stepped at every iteration."""

    def __init__(self, optimizer: Optimizer, recipe: Recipe, iterations: int, warmup: int) -> None:
        # Plain values, which a checkpoint may hold.
        self._fields, self._iterations, self._warmup = recipe.as_dict(), iterations, warmup
        super().__init__(optimizer, "lr", by_epoch=False)

    def _get_value(self) -> list[float]:
        recipe = Recipe(**self._fields)
        return [rate(recipe, base, self.last_step, self._iterations, self._warmup) for base in self.base_values]
