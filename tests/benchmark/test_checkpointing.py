"""Blocks computed again in the backward pass: the same numbers, and fewer tensors kept."""

from __future__ import annotations

import pytest
import torch

from benchmark.assembly import build_backbone, build_scheme
from benchmark.encoder import Encoder
from registry import Component

SEGMENTS = 2
CASES = {
    "batch norm, trained norms and stochastic depth": ("tiny_swin", "lavish(train_norms=True, drop_path=0.5)"),
    "stochastic depth of adapters": ("tiny_vit", "stg_cma(ratio=0.25, position='bias', drop_path=0.5)"),
    "a trained final norm": ("tiny_clip", "stg_cma(ratio=0.25, position='embedding', train_final_norm=True)"),
    "copies of every weight": ("tiny_vit", "full_finetune"),
}


def outcome(case: str, precision: str, checkpointing: bool) -> tuple[dict[str, torch.Tensor], int]:
    """Loss, gradients, buffers and the next random number after one step, and the elements kept for backward."""
    backbone_text, adapter_text = CASES[case]
    torch.manual_seed(0)
    backbone = build_backbone(Component.parse(backbone_text))
    scheme = build_scheme(Component.parse(adapter_text), backbone, SEGMENTS)
    for parameter in scheme.parameters():  # away from the identity, where some gradients are zero
        parameter.data.add_(torch.randn_like(parameter), alpha=0.1)
    if precision == "bf16":
        backbone.hold_weights_in(torch.bfloat16)
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
    plain, kept = outcome(case, precision, checkpointing=False)
    again, kept_less = outcome(case, precision, checkpointing=True)
    assert plain.keys() == again.keys()
    assert sum(name.startswith("gradient") for name in plain) > 10
    for name, value in plain.items():
        assert torch.equal(value, again[name]), name
    assert kept_less < kept / 3


def test_running_statistics_do_move() -> None:
    numbers, _ = outcome("batch norm, trained norms and stochastic depth", "fp32", checkpointing=True)
    counts = [int(value) for name, value in numbers.items() if name.endswith("num_batches_tracked")]
    assert counts
    assert set(counts) == {1}
