from __future__ import annotations

import pytest
import torch
from built_in import OWN_ADAPTERS
from covering import covering
from library_models import FAMILIES, PICTURE
from torch import nn
from training_fakes import FakeHead, FakeTask, registered

from benchmark.cost.describe import count_training, describe
from benchmark.cost.flops import count_forward, count_operations, squared
from benchmark.model.build import build_backbone, build_scheme, build_task
from benchmark.model.encoder import Encoder
from benchmark.model.model import AudioVisualModel
from registry import Component

VIT = Component.parse("tiny_vit(weights='none')")
EVENTS = Component.parse("event_localisation")


def test_a_vision_transformer_by_hand():
    """Every product of a ViT under AdaptFormer; attention is 2 products forward and 4 backward."""
    hidden = 8
    counted = count_training(VIT, Component.parse(f"adaptformer(hidden={hidden})"), EVENTS)
    assert counted is not None
    backbone, task = build_backbone(VIT), build_task(EVENTS)
    pictures = 2 * task.segments
    tokens, width = backbone.embed(torch.zeros(1, 1, 3, 32, 32)).shape[-2:]
    inner, depth = backbone.blocks[0].sites["fc1"][1], len(backbone.blocks)
    patches = next(m for m in backbone.stem.modules() if isinstance(m, nn.Conv2d))
    stem = 2 * 3 * 32 * 32 * width
    assert patches.kernel_size == patches.stride
    projections = 2 * tokens * width * (3 * width + width + 2 * inner)
    scores = 2 * tokens * tokens * width
    adapter = 2 * 2 * tokens * width * hidden
    block = projections + 2 * scores + adapter
    classes = task.head(width)
    head = task.segments * 2 * sum(m.weight.numel() for m in classes.modules() if isinstance(m, nn.Linear))
    assert counted.forward == pictures * (stem + depth * block) + head
    # Frozen weights ask for gradients of activations only. The first block has nothing trainable before its adapter,
    # which needs gradients of its two weights and of its code, but none of its input.
    later = projections + 4 * scores + 2 * adapter
    first = adapter + adapter // 2
    assert counted.backward == pictures * ((depth - 1) * later + first) + 2 * head


def test_a_probe_has_no_backward_pass_through_the_backbone():
    counted = count_training(VIT, Component("linear_probe"), EVENTS)
    assert counted is not None
    assert 0 < counted.backward < counted.forward / 1000


@pytest.mark.parametrize("backbone", ["tiny_vit", "tiny_swin", "tiny_clip"])
@pytest.mark.parametrize("adapter", ["stg_cma", "lavish"])
def test_attention_counts_wherever_it_runs(backbone: str, adapter: str):
    """The forward pass counts as `describe` does, and the backward pass costs at least activations' share of it."""
    cell = Component.parse(f"{backbone}(weights='none')"), Component(adapter), EVENTS
    counted = count_training(*cell)
    assert counted is not None
    assert counted.forward == pytest.approx(1e9 * describe(*cell)["gflops"])
    assert 0.7 * counted.forward < counted.backward < 2.5 * counted.forward


class Attentive(FakeHead):
    """Runs fused attention over four tokens of width 8 on real numbers, as heads may."""

    def forward(self, encode, inputs):
        q = self.classify.weight.reshape(1, 1, -1, 8)[:, :, :4]
        outputs = super().forward(encode, inputs)
        return {**outputs, "more": nn.functional.scaled_dot_product_attention(q, q, q)}


def test_fused_attention_of_a_head_is_seen(monkeypatch):
    cell = [Component.parse(text) for text in ("fake_backbone", "fake_adapter", "fake_task")]
    with registered():
        plain = count_training(*cell)
        monkeypatch.setattr(FakeTask, "head", lambda self, dim: Attentive(dim))
        attentive = count_training(*cell)
    assert plain is not None
    assert attentive is not None
    product = 2 * 4 * 4 * 8
    assert attentive.forward - plain.forward == 2 * product
    assert attentive.backward - plain.backward == 4 * product


def test_a_loss_without_labels():
    half = torch.full((2, 2), 0.5, requires_grad=True)
    assert squared({"a": half, "b": 2 * half, "fixed": torch.ones(3)}).item() == pytest.approx(0.25 + 1)
    assert not squared({"fixed": torch.ones(3)}).requires_grad


COUNTED = ["vit", "vit_attention_pooled", "deit_3", "clip_gelu", "swin", "swin_v2"]


@pytest.mark.parametrize(("adapter", "family"), covering(OWN_ADAPTERS, COUNTED))
def test_every_scheme_is_counted_on_every_family(adapter: str, family: str) -> None:
    """With gradients off as well, where a view of what is trained has no gradient function to ask for."""
    backbone = FAMILIES[family].read(FAMILIES[family].build(), PICTURE)
    task = build_task(EVENTS)
    options = {"ratio": 0.25} if adapter in ("stg_cma", "bottleneck") else {}
    encoder = Encoder(backbone, build_scheme(Component(adapter, options), backbone, task.segments))
    model = AudioVisualModel(encoder, task.head(backbone.dim), "fp32").to("meta")
    forward, training = count_forward(model.eval(), task), count_operations(model.train(), task)
    assert forward is not None
    assert training is not None
    assert forward == training.forward > 0
    assert training.backward > 0
