from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.train.optimizer import AccumulatingOptimizer, build_schedule, loss_scaler
from benchmark.train.runner import alone
from tasks.recipe import Recipe


def rates(recipe: Recipe, iterations: int, base: float = 2.0) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=base)
    schedule = build_schedule(optimizer, recipe, iterations)
    told = []
    for _ in range(recipe.epochs * iterations):
        told.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        for part in schedule:
            part.step()
    return told


def test_warm_up_then_cosine():
    told = rates(Recipe(epochs=5, warmup_epochs=1.0), iterations=10)
    assert told[:10] == pytest.approx([2.0 * (i + 1) / 10 for i in range(10)])
    assert told[10:] == pytest.approx([1 + math.cos(math.pi * i / 40) for i in range(40)])


def test_the_cosine_ends_where_asked():
    told = rates(Recipe(epochs=4, warmup_epochs=0.0, final_lr_ratio=0.25), iterations=50)
    assert told[0] == 2.0
    assert told[-1] == pytest.approx(0.5, rel=1e-2)


@settings(max_examples=40, deadline=None)
@given(epochs=st.integers(1, 5), iterations=st.integers(1, 7), warmup=st.floats(0, 20), ratio=st.floats(0, 1))
def test_any_recipe_rises_once_and_falls_once(epochs, iterations, warmup, ratio):
    told = rates(Recipe(epochs=epochs, warmup_epochs=warmup, final_lr_ratio=ratio), iterations)
    top = told.index(max(told))
    assert told[: top + 1] == sorted(told[: top + 1])
    assert all(later <= earlier + 1e-9 for earlier, later in zip(told[top:], told[top + 1 :], strict=False))
    assert 0 < max(told) <= 2.0 + 1e-9
    assert min(told) >= 0


def step_with(accumulate: int, clip_norm: float, gradients: list[float], total: int) -> list[float]:
    weight = torch.zeros(1, requires_grad=True)
    with alone("test"):
        steps = AccumulatingOptimizer(torch.optim.SGD([weight], lr=1.0), accumulate, clip_norm)
    steps.initialize_count_status(torch.nn.Identity(), 0, total)
    seen = []
    for gradient in gradients:
        steps.update_params((weight * gradient).sum())
        seen.append(round(weight.item(), 6))
    return seen


def test_accumulation_averages_and_loses_no_last_step():
    assert step_with(2, 0.0, [1.0, 3.0, 5.0], total=3) == [0.0, -2.0, -7.0]


def test_clipping_bounds_the_gradient():
    assert step_with(1, 0.5, [4.0, 0.25], total=2) == [-0.5, -0.75]


class TestScaledLoss:
    """Float16 on a processor too: what a step is does not depend on where it runs."""

    def trained(self, gradients: list[float], scaler: torch.amp.GradScaler | None) -> list[float]:
        weight = torch.zeros(1, requires_grad=True)
        with alone("test"):
            steps = AccumulatingOptimizer(torch.optim.SGD([weight], lr=0.5), 1, clip_norm=2.0, scaler=scaler)
        steps.initialize_count_status(torch.nn.Identity(), 0, len(gradients))
        seen = []
        for gradient in gradients:
            steps.update_params((weight * gradient).sum())
            seen.append(weight.item())
        return seen

    def test_gradients_are_clipped_and_applied_at_their_own_size(self) -> None:
        gradients = [0.25, 8.0, -1.0]
        assert self.trained(gradients, loss_scaler("fp16", "cpu")) == self.trained(gradients, None)

    def test_a_step_that_overflows_is_left_out_and_halves_the_scale(self) -> None:
        scaler = loss_scaler("fp16", "cpu")
        assert scaler is not None
        before = scaler.get_scale()
        seen = self.trained([1.0, float("inf"), 1.0], scaler)
        assert seen == [-0.5, -0.5, -1.0]
        assert scaler.get_scale() == before / 2

    @pytest.mark.parametrize("precision", ["bf16", "fp32"])
    def test_other_precisions_need_none(self, precision: str) -> None:
        assert loss_scaler(precision, "cuda:0") is None
