"""LAVISH's golden files: an adapter alone or a whole model, on running and on batch statistics, there and back."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from adapters.lavish import LatentAdapter, LatentReader, Lavish
from backbones.backbone import Backbone
from backbones.kernels.attention import attention_weights
from benchmark.model.encoder import Encoder
from benchmark.model.model import Precision
from benchmark.verify.comparison import GoldenReport, Kind, Tolerance, Tolerances
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
from benchmark.verify.precision import Bf16Bounds, autocast, hold_weights, largest
from benchmark.verify.watching import watch_input, watch_method, watch_output
from registry.vocabulary import Streams
from tasks.event_localisation.paper_heads import LavishClassifier

FORWARD, LOSS, GRADIENT = 1e-4, 1e-5, 1e-4
"""In float32, from the README beside the files: absolute, relative, and a share of the mode's largest gradient."""

MODES = ("eval", "train")
OUTPUTS = ("out", "loss", "pooled", "logits", "probs", "bce")
Seen = dict[str, Tensor]


def check_adapter(golden: Golden, precision: Precision) -> GoldenReport:
    """Run an adapter alone and compare everything that is recorded of it.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: what the file says of its sizes describes no adapter.
    """
    return _check(golden, precision, "adapter", _run_adapter)


def check_model(golden: Golden, precision: Precision) -> GoldenReport:
    """Run a whole model and compare everything that is recorded of it.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: what the file says of its sizes describes no model.
    """
    return _check(golden, precision, f"{golden.meta['kind']} model", _run_model)


def _check(
    golden: Golden, precision: Precision, what: str, run: Callable[[Golden, str, Precision], tuple[Seen, Problems]]
) -> GoldenReport:
    report = GoldenReport(str(golden.path), f"lavish {what}", precision)
    problems: Problems = {}
    for mode in MODES:
        recorded = golden.group(f"{mode}/")
        if not recorded:
            continue
        found, strange = run(golden, mode, precision)
        problems |= strange
        gradients = [v for k, v in recorded.items() if k.startswith("grad/")]
        losses = [(recorded[k], w) for k, w in golden.group("loss/w_").items()]
        bounds = (
            Bf16Bounds(gradients, losses, mode == "train")
            if precision == "bf16"
            else _exact(largest(gradients), sum(float((x * w).abs().sum()) for x, w in losses))
        )
        for key, value in recorded.items():
            kind = _kind(key)
            report.add(f"{mode}/{key}", kind, found.get(key), value, bounds(key, kind, value))
    for name, problem in problems.items():
        report.miss(f"param/{name}", "state", problem)
    return report


def _kind(key: str) -> Kind:
    if key.startswith("grad/"):
        return "gradient"
    if key.startswith("after/"):
        return "state"
    return "output" if key in OUTPUTS else "intermediate"


def _exact(steepest: float, terms: float) -> Tolerances:
    """The README's bounds; `terms` are the magnitudes that a loss sums up, of which float32 keeps 23 bits.

    Without that a loss whose terms happen to cancel would be held to less than its own rounding.
    """

    def tolerance(key: str, kind: Kind, _recorded: Tensor) -> Tolerance:
        if kind == "gradient":
            return Tolerance(GRADIENT * steepest)
        return Tolerance(terms * 2**-23, LOSS) if key == "loss" else Tolerance(FORWARD)

    return tolerance


def _run_adapter(golden: Golden, mode: str, precision: Precision) -> tuple[Seen, Problems]:
    adapter, problems = build_adapter(golden)
    adapter.train(mode == "train")
    seen: Seen = {}
    _watch_adapter(adapter, seen)
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
    return found | _parameters(adapter, names), problems


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
    return found | _parameters(scheme, adapters) | _parameters(head, layers), problems


def _parameters(owner: nn.Module, names: dict[str, str]) -> Seen:
    """Gradients and, of buffers, values after the pass, by recorded name."""
    parameters, buffers = dict(owner.named_parameters()), dict(owner.named_buffers())
    found: Seen = {}
    for recorded, ours in names.items():
        gradient = parameters[ours].grad if ours in parameters else None
        if gradient is not None:
            found[f"grad/{recorded}"] = gradient.float()
        if ours in buffers:
            found[f"after/{recorded}"] = buffers[ours]
    return found


def _watch_adapter(adapter: LatentAdapter, seen: Seen) -> None:
    """Record every step of an adapter, (B, T, …) as our modules have it."""

    def into(key: str) -> Callable[[Tensor], None]:
        return lambda x: seen.update({key: x})

    if adapter.reader is not None:
        _watch_reader(adapter.reader, seen)
    steps = dict(adapter.bottleneck.named_children())
    watch_input(adapter.bottleneck, into("x_fused"))
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
