from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from adapters.avmoe import AvMoe
from adapters.cola import Cola
from adapters.dg_sct import DgSct
from adapters.lavish import Lavish
from adapters.stg_cma import StgCma
from backbones.backbone import Backbone
from backbones.kernels import attention as kernel
from benchmark.model.build import build_backbone
from benchmark.model.encoder import Encoder
from registry import Component
from registry.vocabulary import MODALITIES, Streams
from tasks.recipe import Checkpointing


def backbone_of(blocks: int) -> Backbone:
    """With its first blocks only, since tracing one takes a second; the very first norms its input."""
    whole = build_backbone(Component.parse("tiny_clip(weights='none')"))
    del whole.blocks[blocks:]
    return whole


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return backbone_of(2)


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[torch.fx.GraphModule]]:
    """Every graph that is compiled; they run as they are, since code for a CPU takes minutes to generate."""
    seen: list[torch.fx.GraphModule] = []

    def keep(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> torch.fx.GraphModule:
        seen.append(graph)
        return graph

    real = torch.compile
    torch._dynamo.reset()
    monkeypatch.setattr(torch, "compile", lambda function, **options: real(function, backend=keep, **options))
    yield seen
    torch._dynamo.reset()


def pictures(clips: int = 2) -> Streams:
    make = torch.Generator().manual_seed(0)
    return {m: torch.randn(clips, 2, 3, 32, 32, generator=make) for m in MODALITIES}


def perturbed(scheme: nn.Module) -> nn.Module:
    make = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in scheme.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=make))
    return scheme


def outcome(encoder: Encoder) -> list[torch.Tensor]:
    """Features and gradients of a training step."""
    features = encoder(pictures())
    pooled = torch.stack([f.pooled for f in features.values()])
    return [pooled, *torch.autograd.grad(pooled.square().sum(), list(encoder.scheme.parameters()), allow_unused=True)]


@pytest.mark.parametrize("checkpointing", ["none", "blocks"])
def test_compiled_blocks_compute_what_is_written(
    checkpointing: Checkpointing, backbone: Backbone, graphs: list[torch.fx.GraphModule]
) -> None:
    scheme = perturbed(StgCma(backbone, ratio=0.25))
    encoders = (Encoder(backbone, scheme, checkpointing=checkpointing, compiled=c) for c in (False, True))
    written, compiled = (outcome(encoder) for encoder in encoders)
    assert graphs
    for ours, theirs in zip(compiled, written, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_blocks_alike_share_a_program(graphs: list[torch.fx.GraphModule]) -> None:
    backbone = backbone_of(3)
    encoder = Encoder(backbone, perturbed(StgCma(backbone, ratio=0.25)), compiled=True)
    for _ in range(2):
        outcome(encoder)
    # The first block, which norms its input and whose input has no gradient, and all others.
    assert len(graphs) == 2


def test_a_scheme_without_parts_is_compiled_block_by_block(
    backbone: Backbone, graphs: list[torch.fx.GraphModule]
) -> None:
    scheme = perturbed(Lavish(backbone))
    written, compiled = (outcome(Encoder(backbone, scheme, compiled=c)) for c in (False, True))
    assert len(graphs) == len(backbone.blocks)
    torch.testing.assert_close(compiled[0], written[0], rtol=1e-5, atol=1e-6)


CASES = {
    "pooled by weights of tokens": lambda backbone: DgSct(backbone, latents=4, pooling="attention"),
    "experts": lambda backbone: AvMoe(backbone, latents=4, balance=0.5),
    "changes that the partner writes": lambda backbone: Cola(backbone, rank=4, reduction=4),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_scheme_remembers_until_it_leaves_is_remembered(
    case: str, backbone: Backbone, graphs: list[torch.fx.GraphModule]
) -> None:
    scheme = perturbed(CASES[case](backbone))
    found = []
    for compiled in (False, True):
        numbers = outcome(Encoder(backbone, scheme, compiled=compiled))
        penalty = scheme.penalty()
        found.append([*numbers, *([] if penalty is None else [penalty])])
    assert graphs
    assert len(found[0]) == len(found[1])
    for ours, theirs in zip(*found, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_other_batches_and_inference_compile_nothing(backbone: Backbone, graphs: list[torch.fx.GraphModule]) -> None:
    encoder = Encoder(backbone, perturbed(StgCma(backbone, ratio=0.25)), compiled=True)
    with torch.no_grad():
        encoder(pictures())
    assert not graphs
    outcome(encoder)
    before = len(graphs)
    encoder(pictures(clips=1))
    encoder({"visual": pictures()["visual"]})
    with torch.no_grad():
        encoder(pictures())
    assert len(graphs) == before


@pytest.mark.parametrize("adapter", [StgCma, Lavish])
def test_attention_that_keeps_little_compiles(adapter: type[StgCma | Lavish], monkeypatch: pytest.MonkeyPatch) -> None:
    """With autograd traced as well, as the default compiler does, under autocast."""
    for name in ("LARGEST_KEPT", "LARGEST_KEPT_OF_EXCHANGE"):
        monkeypatch.setattr(kernel, name, 0)
    real = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, **options: real(function, backend="aot_eager", **options))
    torch._dynamo.reset()
    backbone = backbone_of(1)
    scheme = perturbed(adapter(backbone)).eval()
    with torch.autocast("cpu", torch.bfloat16):
        written, compiled = (outcome(Encoder(backbone, scheme, compiled=c)) for c in (False, True))
    torch._dynamo.reset()
    for ours, theirs in zip(compiled, written, strict=True):
        largest = theirs.abs().max().clamp_min(1)
        assert (ours - theirs).abs().max() <= 0.05 * largest


@pytest.mark.usefixtures("graphs")
def test_stages_are_there_when_blocks_are_compiled() -> None:
    swin = build_backbone(Component.parse("tiny_swin(weights='none')"))
    plain, compiled = (Encoder(swin, StgCma(swin), compiled=on).train() for on in (False, True))
    compiled.scheme.load_state_dict(plain.scheme.state_dict())
    for one, two in zip(plain(pictures())["visual"].stages, compiled(pictures())["visual"].stages, strict=True):
        torch.testing.assert_close(one, two)
