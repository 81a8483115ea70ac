"""The optimiser of a run, its steps and its learning rates over time."""

from __future__ import annotations

import torch
from mmengine.optim import CosineAnnealingLR, LinearLR, OptimWrapper
from torch.amp.grad_scaler import GradScaler
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from benchmark.cost.parameters import parameter_groups
from benchmark.model.model import AudioVisualModel
from benchmark.train.rates import LearningRateSchedule
from tasks.recipe import Recipe

REPEATED_EVERY = 8
"""Of the quirk `repeated_step`: LAVISH's training on AVE, `main_trans.py`."""

Schedule = list[LinearLR | CosineAnnealingLR | LearningRateSchedule]


class AccumulatingOptimizer(OptimWrapper):
    """Accumulation, clipping and steps; unlike mmengine's own it keeps no history of the gradient's norm.

    Reading that norm would make a GPU wait at every step.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        accumulate: int,
        clip_norm: float,
        quirk: str = "none",
        iterations: int = 0,
        scaler: GradScaler | None = None,
    ) -> None:
        super().__init__(optimizer, accumulative_counts=accumulate)
        self.scaler = scaler
        self._clip_norm, self._quirk, self._iterations = clip_norm, quirk, iterations

    def backward(self, loss: torch.Tensor, **kwargs: object) -> None:
        if self._quirk == "discarded_gradients":
            self.zero_grad()
        super().backward(self.scaler.scale(loss) if self.scaler else loss, **kwargs)

    def step(self, **kwargs: object) -> None:
        if self.scaler:
            self.scaler.unscale_(self.optimizer)
        if self._clip_norm > 0:
            clip_grad_norm_([p for group in self.optimizer.param_groups for p in group["params"]], self._clip_norm)
        if self.scaler:
            self.scaler.step(self.optimizer, **kwargs)
            self.scaler.update()
        else:
            self.optimizer.step(**kwargs)
        if self._quirk == "repeated_step" and self._is_repeated():
            self.optimizer.step(**kwargs)

    def _is_repeated(self) -> bool:
        place = (self._inner_count - 1) % self._iterations + 1
        return place % REPEATED_EVERY == 0 or place == self._iterations


def loss_scaler(precision: str, device: str) -> GradScaler | None:
    """What keeps small gradients from vanishing in float16; the other precisions need none."""
    return GradScaler(torch.device(device).type) if precision == "fp16" else None


def build_optimizer(model: AudioVisualModel, recipe: Recipe) -> Optimizer:
    """Adam or AdamW over the groups of `parameter_groups`.

    Raises:
        UserError: nothing is trainable.
    """
    build = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    # Adapters are many small tensors: one fused update instead of a Python loop over them.
    return build(parameter_groups(model, recipe), betas=(recipe.beta1, recipe.beta2), fused=True)


def build_schedule(optimizer: Optimizer, recipe: Recipe, iterations: int) -> Schedule:
    """Linear warm-up from nearly nothing, then a cosine to `final_lr_ratio`, stepped at every iteration.

    Other curves of the recipe are a `LearningRateSchedule`.

    Args:
        iterations: of one epoch.
    """
    total = recipe.epochs * iterations
    # mmengine refuses a cosine that begins after the run's end.
    warmup = min(round(recipe.warmup_epochs * iterations), total - 1)
    if recipe.schedule != "cosine" or recipe.warmup_start != "step" or recipe.final_lr:
        return [LearningRateSchedule(optimizer, recipe, iterations, warmup)]
    cosine = CosineAnnealingLR(optimizer, eta_min_ratio=recipe.final_lr_ratio, begin=warmup, end=total, by_epoch=False)
    if warmup < 1:
        return [cosine]
    return [LinearLR(optimizer, start_factor=1 / warmup, begin=0, end=warmup, by_epoch=False), cosine]
