from __future__ import annotations

import pytest
import torch
from training_fakes import FakeAdapter, FakeBackbone, FakeHead

from adapters.scheme import AdapterScheme
from adapters.trainable_copies import TrainableCopies, biases
from benchmark.cost.parameters import count_parameters, count_with_idle, parameter_groups
from benchmark.model.encoder import Encoder
from benchmark.model.model import AudioVisualModel
from benchmark.train.optimizer import build_optimizer
from registry.errors import UserError
from results.record import Parameters
from tasks.recipe import Recipe

RECIPE = Recipe(adapter_lr=0.5, head_lr=0.25, weight_decay=0.1)
# Stem 48 -> 8; two blocks with two 8 -> 8 each. Adapter: per block and modality a norm and an 8 -> 8; 3 dead ones.
BACKBONE, ADAPTER, HEAD = 49 * 8 + 4 * 72, 4 * (16 + 72) + 3, 17 * 4


def build(scheme=FakeAdapter) -> AudioVisualModel:
    backbone = FakeBackbone()
    return AudioVisualModel(Encoder(backbone, scheme(backbone)), FakeHead(backbone.dim), "fp32")


def test_roles_are_counted_from_the_modules():
    assert count_parameters(build()) == Parameters(BACKBONE, ADAPTER, HEAD)


def test_what_a_scheme_unfreezes_is_counted_apart():
    model = build()
    model.encoder.backbone.blocks[0].mlp.requires_grad_(True)
    assert count_parameters(model) == Parameters(BACKBONE - 72, ADAPTER, HEAD, backbone_trained=72)


def test_what_a_scheme_trains_as_a_copy_is_counted_once_and_there():
    model = build()
    model.encoder.scheme.copies = TrainableCopies(model.encoder.backbone, biases, "biases")
    model.encoder.scheme.trainable_copies = model.encoder.scheme.copies.by_name
    copied = 5 * 8
    assert count_parameters(model) == Parameters(BACKBONE - copied, ADAPTER + copied, HEAD)


def test_idle_parameters_are_those_the_optimiser_never_stepped():
    model = build()
    optimizer = build_optimizer(model, RECIPE)
    for parameter in model.encoder.scheme.beside[0].parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    counted = count_with_idle(model, optimizer.state)
    assert counted.idle == ADAPTER - 2 * (16 + 72)
    assert counted.adapter == ADAPTER


def test_groups_hold_every_trained_parameter_once():
    model = build()
    grouped = [p for group in parameter_groups(model, RECIPE) for p in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {p for p in model.parameters() if p.requires_grad}


def test_rates_follow_roles_and_decay_follows_shape():
    model = build()
    facts = {
        p: (group["lr"], group["weight_decay"]) for group in parameter_groups(model, RECIPE) for p in group["params"]
    }
    norm, linear = model.encoder.scheme.beside[0]["audio"]
    assert facts[norm.weight] == facts[linear.bias] == facts[model.encoder.scheme.dead] == (0.5, 0.0)
    assert facts[linear.weight] == (0.5, 0.1)
    assert facts[model.head.classify.weight] == (0.25, 0.1)
    assert facts[model.head.classify.bias] == (0.25, 0.0)


def test_what_a_scheme_unfreezes_is_trained_at_the_adapters_rate():
    model = build()
    weight = model.encoder.backbone.blocks[0].mlp.weight.requires_grad_(True)
    (group,) = [g for g in parameter_groups(model, RECIPE) if any(p is weight for p in g["params"])]
    assert group["lr"] == 0.5


def test_nothing_to_train_is_a_users_mistake():
    model = build(AdapterScheme)
    for name in list(model.head._modules):
        delattr(model.head, name)
    with pytest.raises(UserError, match="nothing is trainable"):
        parameter_groups(model, RECIPE)
