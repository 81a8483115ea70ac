"""Parameters by role, counted from live modules, and the groups that the optimiser trains."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import replace
from typing import Any

from torch import nn

from benchmark.model.model import AudioVisualModel
from registry.errors import UserError
from results.record import Parameters
from tasks.recipe import Recipe
from tasks.task import Head


def count_parameters(model: AudioVisualModel) -> Parameters:
    """How many numbers each role holds; in the backbone, frozen and trained ones apart.

    Each number counts once: a backbone parameter that the scheme trains as a copy of its own counts there, and no
    longer as frozen.
    """
    replaced = model.encoder.scheme.trainable_copies()
    backbone = [p for name, p in model.encoder.backbone.named_parameters() if name not in replaced]
    return Parameters(
        backbone=_count(p for p in backbone if not p.requires_grad),
        adapter=_count(model.encoder.scheme.parameters()),
        head=_count(model.head.parameters()),
        backbone_trained=_count(p for p in backbone if p.requires_grad),
    )


def count_with_idle(model: AudioVisualModel, stepped: Container[nn.Parameter]) -> Parameters:
    """The same after training; `stepped` are the parameters whose optimiser state a gradient has brought about."""
    idle = _count(p for p in model.encoder.scheme.parameters() if p not in stepped)
    return replace(count_parameters(model), idle=idle)


def parameter_groups(model: AudioVisualModel, recipe: Recipe) -> list[dict[str, Any]]:
    """Optimiser groups: the adapter's and the head's learning rate, weight decay on matrices only.

    Biases, norms and gates have one dimension and are left undecayed, unless the recipe says `decayed="all"`. Backbone
    parameters that a scheme asked to train go with the adapter; what a head scales has its factor of the head's rate.

    Raises:
        UserError: nothing is trainable.
    """
    adapter = [*model.encoder.scheme.parameters(), *model.encoder.backbone.parameters()]
    groups = [
        *_by_decay(adapter, recipe.adapter_lr, recipe),
        *_head_groups(model.head, recipe),
    ]
    if not groups:
        raise UserError("nothing is trainable: neither the adapter nor the task's head has parameters.")
    return groups


def _head_groups(head: Head, recipe: Recipe) -> list[dict[str, Any]]:
    scales = head.lr_scale()
    return [
        group
        for scale in dict.fromkeys([1.0, *scales.values()])
        for group in _by_decay(
            (p for p in head.parameters() if scales.get(p, 1.0) == scale), recipe.head_lr * scale, recipe
        )
    ]


def _by_decay(parameters: Iterable[nn.Parameter], lr: float, recipe: Recipe) -> list[dict[str, Any]]:
    trained = [p for p in parameters if p.requires_grad]
    least = 2 if recipe.decayed == "matrices" else 0
    decayed = {"params": [p for p in trained if p.ndim >= least], "lr": lr, "weight_decay": recipe.weight_decay}
    undecayed = {"params": [p for p in trained if p.ndim < least], "lr": lr, "weight_decay": 0.0}
    return [group for group in (decayed, undecayed) if group["params"]]


def _count(parameters: Iterable[nn.Parameter]) -> int:
    return sum(p.numel() for p in parameters)
