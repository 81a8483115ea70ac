"""LAVISH's golden files: an adapter alone or a whole model, on running and on batch statistics, there and back."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from adapters.lavish import LatentAdapter, LatentReader, Lavish
from backbones.backbone import Backbone
from backbones.kernels.attention import attention_weights
from benchmark.model.encoder import Encoder
from benchmark.model.model import Precision
from benchmark.verify.comparison import GoldenReport
from benchmark.verify.golden import Golden
from benchmark.verify.lavish_models import (
    ADAPTER_NAMES,
    HEAD_NAMES,
    LETTERS,
    SITES,
    build_adapter,
    build_model,
    scheme_name,
)
from benchmark.verify.loading import Problems, translate
from benchmark.verify.precision import Seen, autocast, check_modes, hold_weights, parameters_of
from benchmark.verify.watching import watch_input, watch_method, watch_output
from registry.vocabulary import Streams
from tasks.event_localisation.paper_heads import LavishClassifier

LOSS = 1e-5
"""In float32, from the README beside the files, relative."""

MODES = ("eval", "train")


def check_adapter(golden: Golden, precision: Precision) -> GoldenReport:
    """Run an adapter alone and compare everything that is recorded of it.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: what the file says of its sizes describes no adapter.
    """
    return check_modes(golden, precision, "lavish adapter", _run_adapter, modes=MODES, loss=LOSS)


def check_model(golden: Golden, precision: Precision) -> GoldenReport:
    """Run a whole model and compare everything that is recorded of it.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: what the file says of its sizes describes no model.
    """
    what = f"lavish {golden.meta['kind']} model"
    return check_modes(golden, precision, what, _run_model, modes=MODES, loss=LOSS)


def _run_adapter(golden: Golden, mode: str, precision: Precision) -> tuple[Seen, Problems]:
    adapter, problems = build_adapter(golden)
    adapter.train(mode == "train")
    seen: Seen = {}
    watch_adapter(adapter, seen)
    # Frames as the segments of one clip.
    inputs = {k: v.float()[None].requires_grad_() for k, v in golden.group("input/").items() if k in ("x", "context")}
    with autocast(precision):
        out = adapter(inputs["x"], inputs.get("context"))
    seen["out"] = out
    loss = (out.float()[0] * golden.tensors["loss/w_out"]).sum()
    loss.backward()
    for name, x in inputs.items():
        if x.grad is not None:
            seen[f"grad/{name}"] = x.grad
    found = {key: x.float().flatten(0, 1) for key, x in seen.items()} | {"loss": loss.view(1)}
    names = {name: translate(name, ADAPTER_NAMES) for name in golden.group("param/")}
    return found | parameters_of(adapter, names), problems


def _run_model(golden: Golden, mode: str, precision: Precision) -> tuple[Seen, Problems]:
    backbone, scheme, head, problems = build_model(golden)
    scheme.train(mode == "train")
    hold_weights([backbone], precision)
    seen: Seen = {}
    _watch_model(backbone, scheme, head, seen)
    inputs = {name: golden.tensors[f"input/{name}"].float().requires_grad_() for name in ("vis", "audio")}
    sound = inputs["audio"][:, :, None].expand(-1, -1, 3, -1, -1)
    with autocast(precision):
        outputs = head(Encoder(backbone, scheme), {"visual": inputs["vis"], "audio": sound})
    logits = outputs["logits"].float()
    seen |= {"logits": logits, "probs": logits.softmax(-1)}
    found = {key: x.float().flatten(0, 1) for key, x in seen.items()}
    labels = golden.tensors["input/gt"].argmax(-1)
    found["bce"] = head.loss({"logits": logits}, {"labels": labels})["binary_cross_entropy"].view(1)
    loss = (found["probs"] * golden.tensors["loss/w_probs"]).sum()
    loss = loss + (found["pooled"] * golden.tensors["loss/w_pooled"]).sum()
    loss.backward()
    found |= {"loss": loss.view(1)} | {f"grad/input.{k}": x.grad for k, x in inputs.items() if x.grad is not None}
    adapters = {f"adapter.{name}": scheme_name(name) for name in golden.group("param/adapter.")}
    layers = {f"head.{name}": translate(name, HEAD_NAMES) for name in golden.group("param/head.")}
    return found | parameters_of(scheme, adapters) | parameters_of(head, layers), problems


def watch_adapter(adapter: LatentAdapter, seen: Seen, entering: str = "x_fused") -> None:
    """Record every step of an adapter, (B, T, …) as our modules have it; `entering` is what its bottleneck reads."""

    def into(key: str) -> Callable[[Tensor], None]:
        return lambda x: seen.update({key: x})

    if adapter.reader is not None:
        _watch_reader(adapter.reader, seen)
    steps = dict(adapter.bottleneck.named_children())
    watch_input(adapter.bottleneck, into(entering))
    watch_input(steps["down"], into("down_in"))
    watch_output(steps["down"], into("down_out"))
    watch_input(steps["up"], into("up_in"))
    watch_output(steps["up"], into("up_out"))
    for name in ("down", "up"):
        if f"batch_norm_{name}" in steps:
            watch_output(steps[f"batch_norm_{name}"], into(f"bn_{name}_out"))


def _watch_reader(reader: LatentReader, seen: Seen) -> None:
    def gathered(update: Tensor, partner: Tensor) -> None:
        weights = attention_weights(reader.latents.expand(*partner.shape[:-2], -1, -1), partner)
        seen.update({"latent_update": update, "att_tokens_to_context": weights})

    def read(update: Tensor, x: Tensor, latents: Tensor) -> None:
        seen.update({"x_update": update, "att_x_to_tokens": attention_weights(x, latents)})

    watch_method(reader, "gather", gathered)
    watch_method(reader, "read", read)


def _watch_model(backbone: Backbone, scheme: Lavish, head: LavishClassifier, seen: Seen) -> None:
    letters = {m: letter for letter, m in LETTERS.items()}

    def keep(key: str) -> Callable[[Tensor], None]:
        return lambda x: seen.update({key: x})

    def keep_streams(key: str) -> Callable[[Streams], None]:
        return lambda streams: seen.update({key.format(letters[m]): x for m, x in streams.items()})

    def embedded(_after: Streams, index: int, _block: object, streams: Streams) -> None:
        if index == 0:
            keep_streams("embed.{}")(streams)

    watch_method(scheme, "forward_block", embedded)
    for index in range(len(backbone.blocks)):
        for (site, ours), place in zip(SITES.items(), ("mid", "out"), strict=True):
            beside = getattr(scheme, ours)[index]
            watch_output(beside, keep_streams(f"block{index}.{{}}_{place}"))
            for m, adapter in beside.adapters.items():
                watch_output(adapter, keep(f"block{index}.{letters[m]}_{site}"))
    watch_input(head.classify, keep("pooled"))
