"""Blocks computed again in the backward pass: the same numbers, and fewer tensors kept."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmark.model import recompute as checkpointing
from benchmark.model.build import build_backbone, build_scheme
from benchmark.model.encoder import Encoder
from benchmark.model.recompute import PORTION, block_sizes, blocks_to_recompute, step_bytes
from registry import Component
from tasks.recipe import Checkpointing

SEGMENTS = 2
CASES = {
    "batch norm, trained norms and stochastic depth": ("tiny_swin", "lavish(train_norms=True, drop_path=0.5)"),
    "stochastic depth of adapters": ("tiny_vit", "stg_cma(ratio=0.25, position='bias', drop_path=0.5)"),
    "a trained final norm": ("tiny_clip", "stg_cma(ratio=0.25, position='embedding', train_final_norm=True)"),
    "copies of every weight": ("tiny_vit", "full_finetune"),
    "weights of tokens that features are pooled by": ("tiny_vit", "dg_sct(latents=4, pooling='attention')"),
    "weights of experts that a penalty reads": ("tiny_vit", "avmoe(latents=4, noise=0.1, balance=0.5)"),
    "changes that the partner writes": ("tiny_swin", "cola(rank=4, reduction=4)"),
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
    penalty = scheme.penalty()
    loss = loss if penalty is None else loss + penalty
    loss.backward()
    assert scheme.penalty() is None
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


SWIN_BASE = [20 * n for n in [401_408] * 2 + [200_704] * 2 + [100_352] * 18 + [50_176] * 2]
"""Tokens x width of its blocks at 224 pixels, for ten segments of two modalities."""
STG_CMA = 7_000_000


@pytest.mark.parametrize("reduced", [False, True])
def test_a_step_that_fits_is_not_recomputed(reduced: bool) -> None:
    """`swin_base + stg_cma` at batch 1 where 20 of 24 GB are free."""
    assert blocks_to_recompute("auto", SWIN_BASE, reduced=reduced, trained=STG_CMA, free=20 * 10**9) == set()


@pytest.mark.parametrize("reduced", [False, True])
@pytest.mark.parametrize("gigabytes", [1, 2, 3])
def test_no_more_is_recomputed_than_it_takes(gigabytes: int, reduced: bool) -> None:
    free = gigabytes * 10**9
    chosen = blocks_to_recompute("auto", SWIN_BASE, reduced=reduced, trained=STG_CMA, free=free)
    needs = partial(step_bytes, SWIN_BASE, reduced=reduced, trained=STG_CMA)
    assert len(chosen) > 0
    assert min(SWIN_BASE[i] for i in chosen) >= max([n for i, n in enumerate(SWIN_BASE) if i not in chosen], default=0)
    if len(chosen) < len(SWIN_BASE):
        assert needs(chosen) <= PORTION * free < needs(chosen - {max(chosen)})


def test_what_is_trained_takes_memory_too() -> None:
    """A single block is as large while it is computed again, so two are."""
    free = int(step_bytes([10**6] * 4, (), reduced=True, trained=0) / PORTION) + 1
    assert blocks_to_recompute("auto", [10**6] * 4, reduced=True, free=free) == set()
    assert blocks_to_recompute("auto", [10**6] * 4, reduced=True, trained=10**6, free=free) == {0, 1}


def test_other_choices_do_not_depend_on_memory() -> None:
    assert blocks_to_recompute("auto", [10**12] * 2, free=None) == set()
    assert blocks_to_recompute("blocks", [1, 1], free=10**12) == {0, 1}
    assert blocks_to_recompute("none", [10**12] * 2, free=1) == set()


LIMITED = """
import os, resource, sys
import torch
from benchmark.model.build import build_backbone, build_scheme
from benchmark.model.encoder import Encoder
from benchmark.runtime.memory import PROC, _kilobytes, free_memory
from registry import Component

backbone_text, adapter_text, clips, megabytes, *choices = sys.argv[1:]
torch.set_num_threads(1)
backbone = build_backbone(Component.parse(backbone_text))
scheme = build_scheme(Component.parse(adapter_text), backbone, 10)
size, sound = backbone.picture.size, backbone.picture.sound

def step(encoder, clips):
    seen, heard = (size, size), (sound.frames, sound.mel_bands)
    features = encoder({m: torch.randn(clips, 10, 3, *side) for m, side in (("visual", seen), ("audio", heard))})
    torch.stack([f.pooled.square().mean() for f in features.values()]).sum().backward()

def attempt(checkpointing):
    encoder = Encoder(backbone, scheme, checkpointing=checkpointing).train()
    if backbone_text.startswith("tiny"):
        step(encoder, 1)  # what torch maps at first use is no part of it
    now = _kilobytes(PROC / "self/status", "VmSize")
    resource.setrlimit(resource.RLIMIT_AS, (now + int(megabytes) * 2**20,) * 2)
    assert free_memory() <= int(megabytes) * 2**20
    step(encoder, int(clips))
    return len(max(encoder._recomputed.values(), key=len)) if encoder._recomputed else 0

for checkpointing in choices:
    if os.fork():
        os.wait()
        continue
    try:
        print(checkpointing, "recomputed", attempt(checkpointing))
    except Exception as error:
        print(checkpointing, "failed:", *str(error).split())
    break
"""


def limited(*words: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[3]
    # What arenas reserve and do not use counts against this limit, though it is no memory.
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1"}
    return subprocess.run(
        [sys.executable, "-c", LIMITED, *words], cwd=root, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(sys.platform != "linux", reason="limits are read from /proc")
def test_a_process_of_limited_memory_completes_its_step() -> None:
    """Where the same step without checkpointing is refused its memory.

    By hand for a large one, as three gigabytes beside what torch maps, which take a minute:
    `python -c "$LIMITED" "swin_base(weights='none')" stg_cma 1 3000 auto`.
    """
    done = limited("tiny_vit", "stg_cma(ratio=0.25)", "80", "500", "none", "auto")
    without, auto = done.stdout.splitlines()
    assert without.startswith("none failed: ")
    assert "allocate memory" in without
    assert auto.startswith("auto recomputed "), done.stderr[-2000:]
    assert auto != "auto recomputed 0"


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


@pytest.mark.parametrize(("free", "again"), [(0, 4), (10**12, 0)])
def test_auto_leaves_steps_that_fit_alone(free: int, again: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.model.encoder.free_memory", lambda: free)
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


def test_it_is_decided_once_for_each_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process keeps what its first step took, which then is free no more and yet at hand."""
    asked = []
    monkeypatch.setattr("benchmark.model.encoder.free_memory", lambda: asked.append(1) or 10**12)
    backbone = build_backbone(Component.parse("tiny_vit"))
    encoder = Encoder(backbone, build_scheme(Component.parse("lora"), backbone, 2), checkpointing="auto")
    for clips in (1, 1, 2, 1):
        encoder({"visual": torch.randn(clips, 2, 3, backbone.picture.size, backbone.picture.size)})
    assert len(asked) == 2


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
