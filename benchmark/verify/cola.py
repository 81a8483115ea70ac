"""CoLA's golden files: one adapted projection, the fused one of queries, keys and values, and two shared ViT blocks."""

from __future__ import annotations

import re
from typing import Any, cast

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from adapters.cola import Cola, CrossLowRank, CrossModalLora
from backbones.block import Block
from backbones.families.vit import read_vit
from backbones.pictures import PictureSpec, SoundPicture
from benchmark.model.model import Precision
from benchmark.verify.comparison import GoldenReport
from benchmark.verify.dg_sct import MODALITY_LETTERS, weighed_sum
from benchmark.verify.golden import Golden
from benchmark.verify.lavish_models import LETTERS
from benchmark.verify.loading import Names, Problems, fill, translate
from benchmark.verify.precision import Seen, autocast, check_modes, hold_weights
from benchmark.verify.watching import into, watch_method, watch_output
from registry.vocabulary import Streams

LOSS = 1e-4
"""In float32, relative; the README beside the files bounds outputs and gradients alone."""

SITES = {"attn.qkv": "qkv", "attn.proj": "proj", "mlp.fc1": "fc1", "mlp.fc2": "fc2"}
PARTS = ("q", "k", "v")
NAMES: Names = {
    r"^own_(down|up)$": r"own.{part}.\1.weight",
    r"^cross_(down|up)$": r"cross.{part}.inner.\1.weight",
    r"^cross_scale$": "cross.{part}.scale",
    r"^hyper\.((fc|norm).*)$": r"cross.{part}.core.\1",
}
BEFORE = {"proj": "mix", "fc1": "mid"}
"""The first site of an exchange, and what the files call the streams that it sums up."""


def check_projection(golden: Golden, precision: Precision) -> GoldenReport:
    """Run one adapted projection and compare everything that is recorded of it.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: what the file says of its sizes describes no projection.
    """
    return check_modes(golden, precision, f"cola {golden.meta['kind']}", _run_projection, modes=("eval",), loss=LOSS)


def check_shared(golden: Golden, precision: Precision) -> GoldenReport:
    """Run blocks with all four projections adapted and compare everything that is recorded of them.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: what the file says of its sizes describes no blocks.
    """
    last = golden.meta["depth"] - 1
    return check_modes(
        golden, precision, "cola vit blocks", _run_shared, modes=("eval",), loss=LOSS,
        weighed=lambda letter: f"block{last}.{letter}_out",
    )  # fmt: skip


def _run_projection(golden: Golden, _mode: str, precision: Precision) -> tuple[Seen, Problems]:
    meta = golden.meta
    parts = 3 if meta["kind"] == "qkv" else 1
    change = CrossModalLora(
        meta["D_in"], meta["D_out"], parts=parts, rank=meta["rank"], alpha=meta["alpha"], context=meta["C"],
        hidden=meta["hyper_hidden"], scale=0.0,
    )  # fmt: skip
    linear = nn.Linear(meta["D_in"], meta["D_out"]).requires_grad_(False)
    names = {name: _ours(name, parts) for name in golden.group("param/") if name not in ("weight", "bias")}
    problems = fill(linear, {name: golden.tensors[f"param/{name}"].float() for name in ("weight", "bias")})
    problems |= fill(change, _values(golden, "param/", names))
    hold_weights([linear], precision)
    seen: Seen = {}
    for part, cross in zip(PARTS if parts == 3 else ("",), cast(nn.ModuleList, change.cross), strict=True):
        watch_output(cast(CrossLowRank, cross).core, into(seen, f"core.{part}" if part else "core"))
    inputs = {k: golden.tensors[f"input/{k}"].float()[None].clone().requires_grad_() for k in ("x", "context")}
    with autocast(precision):
        out = linear(inputs["x"]) + change(inputs["x"], inputs["context"])
    seen["out"] = out
    loss = weighed_sum(golden, {"out": out[0]})
    loss.backward()
    seen |= {f"grad/{name}": x.grad for name, x in inputs.items() if x.grad is not None}
    found = {key: x.float().flatten(0, 1) for key, x in seen.items()} | {"loss": loss.view(1)}
    return found | _gradients(change, names), problems


def _run_shared(golden: Golden, _mode: str, precision: Precision) -> tuple[Seen, Problems]:
    meta, letters = golden.meta, MODALITY_LETTERS
    model = VisionTransformer(
        img_size=2, patch_size=1, embed_dim=meta["D"], depth=meta["depth"], num_heads=meta["heads"],
        mlp_ratio=meta["mlp_ratio"], num_classes=0,
    )  # fmt: skip
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = meta["backbone_ln_eps"]
    values = {name: value.float() for name, value in golden.group("param/backbone.").items()}
    problems = fill(model, values, absent=("cls_token", "pos_embed", "patch_embed", "norm."))
    backbone = read_vit(model, PictureSpec(2, (0.0,) * 3, (1.0,) * 3, SoundPicture(2, 10.0, 2, 0.0, 1.0)))
    scheme = Cola(backbone, rank=meta["rank"], alpha=meta["alpha"], reduction=meta["reduction"], summary="class")
    names = {}
    for name in golden.group("param/adapter."):
        letter, block, place, projection, rest = name.split(".", 4)
        site = SITES[f"{place}.{projection}"]
        inner = _ours(rest, 3 if site == "qkv" else 1)
        names[f"adapter.{name}"] = [f"blocks.{block}.deltas.{LETTERS[letter]}.{site}.{one}" for one in inner]
    problems |= fill(scheme, _values(golden, "param/", names))
    hold_weights([backbone], precision)
    seen: Seen = {}
    for index, adapted in enumerate(scheme.blocks):
        _watch(adapted, index, seen)
    inputs = {letter: golden.tensors[f"input/{letter}"].float()[None].clone().requires_grad_() for letter in "va"}
    streams: Streams = {m: inputs[letter] for m, letter in letters.items()}
    with autocast(precision):
        for index, frozen in enumerate(backbone.blocks):
            streams = scheme.forward_block(index, cast(Block, frozen), streams)
    loss = weighed_sum(golden, {letters[m]: x[0] for m, x in streams.items()})
    loss.backward()
    seen |= {f"grad/{letter}": x.grad for letter, x in inputs.items() if x.grad is not None}
    found = {key: x.float().flatten(0, 1) for key, x in seen.items()} | {"loss": loss.view(1)}
    return found | _gradients(scheme, names), problems


def _watch(adapted: nn.Module, index: int, seen: Seen) -> None:
    def bound(_: Any, streams: Streams, first: str, *_more: str) -> None:
        if first in BEFORE:
            seen.update({f"block{index}.{MODALITY_LETTERS[m]}_{BEFORE[first]}": x for m, x in streams.items()})

    watch_method(adapted, "bind", bound)
    watch_output(
        adapted,
        lambda streams: seen.update({f"block{index}.{MODALITY_LETTERS[m]}_out": x for m, x in streams.items()}),
    )


def _ours(recorded: str, parts: int) -> list[str]:
    """A recorded name in ours, once for each of the fused projections that it holds, one below the other."""
    single = re.match(r"hyper\.([qkv])\.", recorded)
    if single:
        return [translate(f"hyper.{recorded[single.end() :]}", NAMES).format(part=PARTS.index(single[1]))]
    return [translate(recorded, NAMES).format(part=part) for part in range(parts)]


def _values(golden: Golden, prefix: str, names: dict[str, list[str]]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for recorded, ours in names.items():
        parts = golden.tensors[prefix + recorded].float().chunk(len(ours))
        found |= dict(zip(ours, parts, strict=True))
    return found


def _gradients(owner: nn.Module, names: dict[str, list[str]]) -> Seen:
    parameters = dict(owner.named_parameters())
    found: Seen = {}
    for recorded, ours in names.items():
        gradients = [parameters[name].grad for name in ours if name in parameters]
        if gradients and all(gradient is not None for gradient in gradients):
            found[f"grad/{recorded}"] = torch.cat([cast(Tensor, g) for g in gradients]).float()
    return found
