"""Blocks computed again in the backward pass: the same numbers, and fewer tensors kept."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmark.model import recompute as checkpointing
from benchmark.model.build import build_backbone, build_scheme
from benchmark.model.encoder import Encoder
from benchmark.model.recompute import LEAST, MOST, block_sizes, blocks_to_recompute
from registry import Component
from tasks.recipe import Checkpointing

SEGMENTS = 2
CASES = {
    "batch norm, trained norms and stochastic depth": ("tiny_swin", "lavish(train_norms=True, drop_path=0.5)"),
    "stochastic depth of adapters": ("tiny_vit", "stg_cma(ratio=0.25, position='bias', drop_path=0.5)"),
    "a trained final norm": ("tiny_clip", "stg_cma(ratio=0.25, position='embedding', train_final_norm=True)"),
    "copies of every weight": ("tiny_vit", "full_finetune"),
}


def outcome(case: str, precision: str, checkpointing: Checkpointing) -> tuple[dict[str, torch.Tensor], int]:
    """Loss, gradients, buffers and the next random number after one step, and the elements kept for backward."""
    backbone_text, adapter_text = CASES[case]
    torch.manual_seed(0)
    backbone = build_backbone(Component.parse(backbone_text))
    scheme = build_scheme(Component.parse(adapter_text), backbone, SEGMENTS)
    for parameter in scheme.parameters():  # away from the identity, where some gradients are zero
        parameter.data.add_(torch.randn_like(parameter), alpha=0.1)
    if precision == "bf16":
        backbone.cast_projections(torch.bfloat16)
    encoder = Encoder(backbone, scheme, checkpointing=checkpointing).train()
    sizes, sound = backbone.picture.size, backbone.picture.sound
    pictures = {
        "visual": torch.randn(2, SEGMENTS, 3, sizes, sizes),
        "audio": torch.randn(2, SEGMENTS, 3, sound.frames, sound.mel_bands),
    }
    frozen = {name: id(p) for name, p in backbone.named_parameters()}
    kept: list[int] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.numel())
        return tensor

    kept_for_backward = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with kept_for_backward, torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        features = encoder(pictures)
    loss = sum((f.pooled.float() ** 2).sum() for f in features.values())
    loss.backward()
    assert {name: id(p) for name, p in backbone.named_parameters()} == frozen
    numbers = {f"gradient of {n}": p.grad for n, p in scheme.named_parameters() if p.grad is not None}
    numbers |= {f"buffer {n}": b.clone() for n, b in scheme.named_buffers()}
    return {**numbers, "loss": loss.detach(), "drawn next": torch.rand(4)}, sum(kept)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("case", CASES)
def test_gradients_and_running_statistics_are_those_without_it(case: str, precision: str) -> None:
    plain, kept = outcome(case, precision, checkpointing="none")
    again, kept_less = outcome(case, precision, checkpointing="blocks")
    assert plain.keys() == again.keys()
    assert sum(name.startswith("gradient") for name in plain) > 10
    for name, value in plain.items():
        assert torch.equal(value, again[name]), name
    assert kept_less < kept / 3


def test_running_statistics_do_move() -> None:
    numbers, _ = outcome("batch norm, trained norms and stochastic depth", "fp32", checkpointing="blocks")
    counts = [int(value) for name, value in numbers.items() if name.endswith("num_batches_tracked")]
    assert counts
    assert set(counts) == {1}


def test_the_largest_blocks_hold_a_quarter_of_all() -> None:
    swin = [8] * 2 + [4] * 2 + [2] * 18 + [1] * 2
    scale = LEAST // 32
    assert blocks_to_recompute("auto", [scale * size for size in swin]) == set(range(2))
    assert blocks_to_recompute("auto", [LEAST // 8] * 12) == set(range(3))
    assert blocks_to_recompute("auto", [LEAST // 4, LEAST // 2, LEAST // 4]) == {1}


def test_what_auto_keeps_is_bounded() -> None:
    assert blocks_to_recompute("auto", [MOST // 4] * 12) == set(range(8))
    assert blocks_to_recompute("auto", [2 * MOST] * 3) == {0, 1, 2}


def test_small_steps_and_other_choices_do_not_depend_on_size() -> None:
    assert blocks_to_recompute("auto", [LEAST // 4] * 3) == set()
    assert blocks_to_recompute("blocks", [1, 1]) == {0, 1}
    assert blocks_to_recompute("none", [LEAST] * 2) == set()


@pytest.mark.parametrize("name", ["tiny_vit", "tiny_swin"])
def test_sizes_are_those_of_the_tokens_that_blocks_see(name: str) -> None:
    backbone = build_backbone(Component.parse(name))
    pictures = {"visual": torch.randn(2, 3, 3, 32, 32), "audio": torch.randn(1, 2, 3, 32, 32)}
    seen = [0] * len(backbone.blocks)
    for picture in pictures.values():
        x = backbone.embed(picture)
        for index, block in enumerate(backbone.blocks):
            x = block.enter(x)
            seen[index] += x.numel()
    assert block_sizes(backbone, pictures) == seen


@pytest.mark.parametrize(("least", "again"), [(0, 1), (10**9, 0)])
def test_auto_leaves_small_steps_alone(least: int, again: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpointing, "LEAST", least)
    counted = []

    def count(step, *others, **options):
        counted.append(step)
        return checkpointing.recompute(step, *others, **options)

    monkeypatch.setattr("benchmark.model.encoder.recompute", count)
    plain, kept = outcome("a trained final norm", "bf16", checkpointing="none")
    auto, kept_less = outcome("a trained final norm", "bf16", checkpointing="auto")
    assert len(counted) == again
    assert (kept_less < kept) is bool(again)
    for name, value in plain.items():
        assert torch.equal(value, auto[name]), name


def test_fused_attention_is_not_computed_again() -> None:
    x = torch.randn(1, 2, 8, 4, requires_grad=True)

    def step(streams):
        x = 2 * streams["visual"]
        return {"visual": torch.nn.functional.scaled_dot_product_attention(x, x, x).exp()}

    with Calls() as calls:
        out = checkpointing.recompute(step, {"visual": x}, torch.nn.Module(), [])
        out["visual"].sum().backward()
    assert calls["_scaled_dot_product_flash_attention_for_cpu"] == 1
    assert calls["_scaled_dot_product_flash_attention_for_cpu_backward"] == 1
    assert calls["mul"] > 2, "twice forward, and backward"


class Calls(TorchDispatchMode, Counter):
    """How often each operation ran."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))
