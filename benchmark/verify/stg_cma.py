"""STG-CMA's golden files: one CLIP block, one Swin stage, or a whole model, forward and backward."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from benchmark.model.encoder import Encoder
from benchmark.model.model import Precision
from benchmark.verify.comparison import GoldenReport, Kind, Tolerance
from benchmark.verify.golden import Golden
from benchmark.verify.precision import Bf16Bounds, autocast, hold_weights
from benchmark.verify.stg_cma_models import Subject, build
from benchmark.verify.stg_cma_names import Recorded
from benchmark.verify.watching import watch_input, watch_method
from registry.vocabulary import Features, Modality, Streams

FORWARD = Tolerance(absolute=1e-4, relative=1e-4)
GRADIENT = Tolerance(absolute=5e-4, relative=1e-3)
"""In float32, from the README beside the files."""

STEPS = {"along_time": "after_temporal", "over_space": "after_spatial", "through_mlp": "after_global"}
SITES = {"spatial": "spatial_hidden", "joint": "global_hidden"}
KINDS: dict[str, Kind] = {"output": "output", "inter": "intermediate", "grad": "gradient"}


def check(golden: Golden, precision: Precision) -> GoldenReport:
    """Run the model of a file and compare everything that is recorded of it.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: what the file says of its sizes describes no model.
    """
    recorded = Recorded(golden)
    subject = build(recorded)
    hold_weights([*subject.blocks, *([subject.backbone] if subject.backbone else [])], precision)
    found = _run(recorded, subject, precision)
    report = GoldenReport(str(golden.path), f"stg_cma {recorded.variant} {recorded.scope}, {recorded.mode}", precision)
    for name, problem in subject.problems.items():
        report.miss(f"param/{name}", "state", problem)
    weights = golden.group("loss_weight/")
    wide = Bf16Bounds(golden.group("grad/").values(), [(golden.tensors[f"output/{k}"], w) for k, w in weights.items()])
    for key, value in golden.tensors.items():
        kind = KINDS.get(key.partition("/")[0])
        if kind is not None:
            exact = GRADIENT if kind == "gradient" else FORWARD
            tolerance = wide(key, kind, value) if precision == "bf16" else exact
            report.add(key, kind, found.get(key), value, tolerance)
    return report


def _run(recorded: Recorded, subject: Subject, precision: Precision) -> dict[str, Tensor]:
    """Everything that came up, by recorded key and in the recorded layout."""
    seen: dict[str, Tensor] = {}
    _watch(recorded, subject, seen)
    inputs: Streams = {}
    with autocast(precision):
        if subject.backbone is not None and subject.head is not None:
            logits = subject.head(Encoder(subject.backbone, subject.scheme), recorded.pictures())["logits"]
            seen["output/logits"] = logits.flatten(0, 1)
        else:
            inputs = {m: recorded.tokens(f"input/{m}_tokens").requires_grad_() for m in recorded.present}
            streams = inputs
            for index, block in enumerate(subject.blocks):
                streams = subject.scheme.forward_block(index, block, streams)
            for m, x in streams.items():
                seen[f"output/{m}_tokens"] = recorded.as_recorded(subject.leave_stage(x))
    outputs = {key: x for key, x in seen.items() if key.startswith("output/")}
    weights = {key: recorded.tensors[key.replace("output/", "loss_weight/")] for key in outputs}
    loss = torch.stack([(x.float() * weights[key]).sum() for key, x in outputs.items()]).sum()
    loss.backward()
    seen["output/loss"] = loss
    return {key: x.float() for key, x in (seen | _gradients(recorded, subject, inputs)).items()}


def _gradients(recorded: Recorded, subject: Subject, inputs: Streams) -> dict[str, Tensor]:
    found = {f"grad/input.{m}_tokens": recorded.as_recorded(x.grad) for m, x in inputs.items() if x.grad is not None}
    owners = [(subject.scheme, recorded.of_scheme), *([(subject.head, recorded.of_head)] if subject.head else [])]
    for owner, names in owners:
        parameters = dict(owner.named_parameters())
        for name, ours in names.items():
            gradient = parameters[ours].grad if ours in parameters else None
            if gradient is not None:
                found[f"grad/{name}"] = gradient.transpose(0, 1) if name.endswith("_temporal_embed") else gradient
    return found


def _watch(recorded: Recorded, subject: Subject, seen: dict[str, Tensor]) -> None:
    """Keep what passes between the steps of each block, and at both ends of a whole model."""

    def keep(key: str) -> Callable[..., None]:
        return lambda x, *_: seen.update({f"inter/{key}": recorded.as_recorded(x)})

    def keep_streams(key: str) -> Callable[..., None]:
        def each(streams: Streams, *_: object) -> None:
            for m, x in streams.items():
                keep(f"{key}.{m}")(x)

        return each

    for prefix, adapter in zip(subject.prefixes, subject.scheme.blocks, strict=True):
        for method, name in STEPS.items():
            watch_method(adapter, method, keep_streams(prefix + name))
        for site, name in SITES.items():
            for m, bottleneck in getattr(adapter, site).bottleneck.items():
                watch_method(bottleneck, "code", keep(f"{prefix}{name}_before_exchange.{m}"))
                watch_input(bottleneck.up, keep(f"{prefix}{name}_after_exchange.{m}"))
    if subject.head is not None:
        watch_method(subject.scheme, "forward_block", lambda _, *call: _embedded(seen, *call))
        watch_method(subject.scheme, "leave", lambda features, *_: _left(seen, features))
        watch_input(subject.head.classify, lambda x: seen.update({"inter/head_input": x.flatten(0, 1)}))


def _embedded(seen: dict[str, Tensor], index: int, _block: object, streams: Streams) -> None:
    if index == 0:
        seen.update({f"inter/embedded.{m}": x.flatten(0, 1) for m, x in streams.items()})


def _left(seen: dict[str, Tensor], features: dict[Modality, Features]) -> None:
    for m, f in features.items():
        seen[f"inter/final_norm_cls.{m}"] = f.pooled.flatten(0, 1)
        seen[f"inter/final_norm.{m}"] = f.tokens.flatten(0, 1)
