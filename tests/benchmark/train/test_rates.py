"""Learning rates of published recipes, STG-CMA's against the recorded ones of its authors' code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.train.optimizer import AccumulatingOptimizer, build_optimizer, build_schedule
from benchmark.train.runner import alone
from tasks.recipe import PRESETS, Recipe

GOLDEN = Path(__file__).parents[2] / "golden" / "stg_cma" / "aux_misc.npz"


def rates(recipe: Recipe, iterations: int, base: float) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=base)
    schedule = build_schedule(optimizer, recipe, iterations)
    told = []
    for _ in range(recipe.epochs * iterations):
        told.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        for part in schedule:
            part.step()
    return told


@pytest.mark.parametrize("group", ["adapter", "head", "avs"])
def test_stg_cma_as_recorded(group):
    """`schedule/*` of the golden file: base and final rate, epochs, iterations of an epoch, warm-up epochs."""
    golden = np.load(GOLDEN)
    base, final, epochs, iterations, warmup = json.loads(str(golden["meta/config_json"]))["schedule"][group]
    recipe = Recipe(epochs=epochs, warmup_epochs=warmup, warmup_start="zero", final_lr=final)
    np.testing.assert_allclose(rates(recipe, iterations, base), golden[f"schedule/{group}"], rtol=1e-9, atol=1e-12)


def test_the_preset_has_the_recorded_schedule():
    golden, recipe = np.load(GOLDEN), PRESETS["stg_cma_ave"]
    for group, base in (("adapter", recipe.adapter_lr), ("head", recipe.head_lr)):
        np.testing.assert_allclose(rates(recipe, 5, base), golden[f"schedule/{group}"], rtol=1e-9, atol=1e-12)


def test_steps_and_constants():
    recipe = Recipe(epochs=7, warmup_epochs=0, schedule="step", step_epochs=3, step_factor=0.35)
    assert rates(recipe, 2, 1.0) == pytest.approx([1.0] * 6 + [0.35] * 6 + [0.1225] * 2)
    assert rates(Recipe(epochs=2, warmup_epochs=0, schedule="constant"), 3, 0.5) == [0.5] * 6
    warm = rates(Recipe(epochs=2, warmup_epochs=1, schedule="constant"), 4, 1.0)
    assert warm == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0])


def test_a_schedule_goes_on_from_plain_values():
    recipe, optimizer = PRESETS["stg_cma_ave"], torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    (curve,) = build_schedule(optimizer, recipe, 5)
    for _ in range(17):
        optimizer.step()
        curve.step()
    state = curve.state_dict()
    json.dumps({name: value for name, value in state.items() if not isinstance(value, torch.Tensor)})
    fresh = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    (resumed,) = build_schedule(fresh, recipe, 5)
    resumed.load_state_dict(state)
    for part, opt in ((curve, optimizer), (resumed, fresh)):
        opt.step()
        part.step()
    assert fresh.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]


def steps_taken(quirk: str, accumulate: int, iterations: int) -> list[float]:
    weight = torch.zeros(1, requires_grad=True)
    with alone("test"):
        steps = AccumulatingOptimizer(torch.optim.SGD([weight], lr=1.0), accumulate, 0.0, quirk, iterations)
    steps.initialize_count_status(torch.nn.Identity(), 0, 2 * iterations)
    seen = []
    for number in range(1, 2 * iterations + 1):
        before = weight.item()
        steps.update_params((weight * number).sum())
        seen.append(before - weight.item())
    return seen


def test_the_quirk_of_repeated_steps():
    """Every eighth batch and the last of an epoch count twice, in each epoch anew."""
    doubled = [number for number, moved in enumerate(steps_taken("repeated_step", 1, 10), 1) if moved == 2 * number]
    assert doubled == [8, 10, 18, 20]


def test_the_quirk_of_discarded_gradients():
    """Of two batches only the second's gradient is stepped with, at mmengine's half of the loss."""
    assert steps_taken("discarded_gradients", 2, 2) == [0.0, 1.0, 0.0, 2.0]
    assert steps_taken("none", 2, 2) == [0.0, 1.5, 0.0, 3.5]


def test_decay_of_everything_or_of_matrices(monkeypatch):
    from training_fakes import FakeAdapter, FakeBackbone, FakeHead

    from benchmark.model.encoder import Encoder
    from benchmark.model.model import AudioVisualModel

    backbone = FakeBackbone()
    model = AudioVisualModel(Encoder(backbone, FakeAdapter(backbone)), FakeHead(backbone.dim), "fp32")
    decays = {
        decayed: {group["weight_decay"] for group in build_optimizer(model, recipe).param_groups}
        for decayed in ("matrices", "all")
        for recipe in [Recipe(weight_decay=5e-7, decayed=decayed)]
    }
    assert decays == {"matrices": {0.0, 5e-7}, "all": {5e-7}}
