"""What a cell would be, parameters by role and operations per clip, without weights, data or training."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmark.assembly import build_model, build_task
from benchmark.front_end import FrontEnd
from benchmark.model import AudioVisualModel
from benchmark.parameters import count_parameters
from registry import BACKBONES, Component, look_up
from registry.component import option_defaults
from registry.vocabulary import Features, Modality, Streams
from results.record import Parameters
from tasks.task import Task

logger = logging.getLogger(__name__)

Module = TypeVar("Module", bound=nn.Module)

_PUBLISHED = tuple(f"{role}_as_published" for role in ("adapter", "head", "trainable", "total"))


def describe(backbone: Component, adapter: Component, task: Component) -> dict[str, Any]:
    """Facts of a cell by name, in plain values.

    `backbone` (frozen), `adapter`, `head`, `trainable`, `total` (parameters), `trainable_percent`, `gflops` (forward
    operations of one clip, 2 for a multiply-add, in 10^9; None where they cannot be counted), `segments`, and the
    sides of the pictures, `visual_picture` and `audio_picture`.

    `adapter_as_published`, `head_as_published`, `trainable_as_published` and `total_as_published` are what the method's
    authors counted: live parameters, those that their code creates and never uses, and in the total the pretrained
    classifier or a second stem, if they counted it. None where the method has no such count or a size is not known.

    Raises:
        UserError: an unknown name or an option that a part refuses.
    """
    return dict(_describe(backbone, adapter, task))


def count_gflops(backbone: Component, adapter: Component, task: Component) -> float | None:
    """Forward operations of one clip, 2 for a multiply-add, in 10^9; None where they cannot be counted."""
    gflops: float | None = _describe(backbone, adapter, task)["gflops"]
    return gflops


def count(backbone: Component, adapter: Component, task: Component) -> dict[str, Any]:
    """The parameters alone, by the same names.

    Raises:
        UserError: an unknown name or an option that a part refuses.
    """
    with torch.random.fork_rng(devices=[]):
        return _counts(_without_storage(lambda: _build(backbone, adapter, build_task(task))))


@lru_cache(maxsize=256)
def _describe(backbone: Component, adapter: Component, task: Component) -> dict[str, Any]:
    with torch.random.fork_rng(devices=[]):
        return _facts(backbone, adapter, task)


def _facts(backbone: Component, adapter: Component, task: Component) -> dict[str, Any]:
    asked = build_task(task)
    model = _without_storage(lambda: _build(backbone, adapter, asked))
    picture = model.encoder.backbone.picture
    return {
        **_counts(model),
        "gflops": _gflops(model.eval(), asked),
        "segments": asked.segments,
        "visual_picture": [picture.size, picture.size],
        "audio_picture": [picture.sound.frames, picture.sound.mel_bands],
    }


def _build(backbone: Component, adapter: Component, task: Task) -> AudioVisualModel:
    return build_model(_without_weights(backbone), adapter, task, seed=0, precision="fp32")


def _counts(model: AudioVisualModel) -> dict[str, Any]:
    parameters = count_parameters(model)
    return {
        "backbone": parameters.backbone,
        "adapter": parameters.adapter,
        "head": parameters.head,
        "trainable": parameters.trainable,
        "total": parameters.total,
        "trainable_percent": parameters.trainable_percent,
        **_as_published(model, parameters),
    }


def _as_published(model: AudioVisualModel, live: Parameters) -> dict[str, int | None]:
    scheme = model.encoder.scheme
    left_out = getattr(model.encoder.backbone, "left_out", {})
    if scheme.published_with is None or not scheme.published_with <= left_out.keys():
        return dict.fromkeys(_PUBLISHED)
    adapter = live.adapter + scheme.unused_as_published
    head = live.head + model.head.unused_as_published
    total = live.backbone + adapter + head + sum(left_out[part] for part in scheme.published_with)
    counts = (adapter, head, adapter + head, total)
    return dict(zip(_PUBLISHED, counts, strict=True))


def _without_weights(backbone: Component) -> Component:
    known = option_defaults(look_up(BACKBONES, backbone.name))
    return backbone.with_options(weights="none") if "weights" in known else backbone


def _without_storage(build: Callable[[], Module]) -> Module:
    """The module on the meta device; one that must compute with real numbers while it is built moves there after."""
    try:
        with torch.device("meta"):
            return build()
    except (NotImplementedError, RuntimeError):
        return build().to("meta")


def _gflops(model: AudioVisualModel, task: Task) -> float | None:
    """The encoder is counted on the meta device, where the counter sees every product; on CPU it misses fused ones.

    The head works on real zeros, because heads may look at values (at words that are not padding, for example).
    """
    encoder, head = model.encoder, task.head(model.encoder.backbone.dim).eval()

    def encode(pictures: Streams) -> dict[Modality, Features]:
        features = encoder({m: picture.to("meta") for m, picture in pictures.items()})
        return {m: Features(_zeros_like(f.tokens), _zeros_like(f.pooled)) for m, f in features.items()}

    inputs = FrontEnd(encoder.backbone.picture)(task.example_inputs(1))
    with torch.no_grad(), _without_fused_recurrence(), FlopCounterMode(display=False) as counter:
        try:
            head(encode, inputs)
        except (NotImplementedError, RuntimeError) as error:
            logger.warning("operations cannot be counted: %s", error)
            return None
    return counter.get_total_flops() / 1e9


@contextmanager
def _without_fused_recurrence() -> Iterator[None]:
    """oneDNN's recurrent kernels would be missed by the counter as well."""
    with warnings.catch_warnings():
        # Reading the flags for restoring them warns of Intel GPUs.
        warnings.filterwarnings("ignore", message="TF32 acceleration")
        with torch.backends.mkldnn.flags(enabled=False):
            yield


def _zeros_like(meta: Tensor) -> Tensor:
    return torch.zeros(meta.shape, dtype=meta.dtype)
