"""What a cell would be, parameters by role and operations per clip, without weights, data or training."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import torch
from torch import nn

from benchmark.cost.flops import Operations, count_forward, count_operations
from benchmark.cost.parameters import count_parameters
from benchmark.cost.published_counts import as_published
from benchmark.model.build import build_model, build_task
from benchmark.model.model import AudioVisualModel
from registry import BACKBONES, Component, look_up
from registry.component import option_defaults, towers_of, with_towers
from tasks.task import Task

Module = TypeVar("Module", bound=nn.Module)


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


def count_training(backbone: Component, adapter: Component, task: Component) -> Operations | None:
    """Operations of one clip in training, forward and backward; None where they cannot be counted."""
    asked = build_task(task)
    with torch.random.fork_rng(devices=[]):
        return count_operations(without_storage(lambda: _build(backbone, adapter, asked)).train(), asked)


def count(backbone: Component, adapter: Component, task: Component) -> dict[str, Any]:
    """The parameters alone, by the same names.

    Raises:
        UserError: an unknown name or an option that a part refuses.
    """
    with torch.random.fork_rng(devices=[]):
        return _counts(without_storage(lambda: _build(backbone, adapter, build_task(task))), task)


@lru_cache(maxsize=256)
def _describe(backbone: Component, adapter: Component, task: Component) -> dict[str, Any]:
    with torch.random.fork_rng(devices=[]):
        return _facts(backbone, adapter, task)


def _facts(backbone: Component, adapter: Component, task: Component) -> dict[str, Any]:
    asked = build_task(task)
    model = without_storage(lambda: _build(backbone, adapter, asked))
    picture = model.encoder.backbone.picture
    operations = count_forward(model.eval(), asked)
    return {
        **_counts(model, task),
        "gflops": operations and operations / 1e9,
        "segments": asked.segments,
        "visual_picture": [picture.size, picture.size],
        "audio_picture": [picture.sound.frames, picture.sound.mel_bands],
    }


def _build(backbone: Component, adapter: Component, task: Task) -> AudioVisualModel:
    return build_model(without_weights(backbone), adapter, task, seed=0, precision="fp32")


def _counts(model: AudioVisualModel, task: Component) -> dict[str, Any]:
    parameters = count_parameters(model)
    return {
        "backbone": parameters.backbone,
        "adapter": parameters.adapter,
        "head": parameters.head,
        "trainable": parameters.trainable,
        "total": parameters.total,
        "trainable_percent": parameters.trainable_percent,
        **as_published(model, parameters, task),
    }


def without_weights(backbone: Component) -> Component:
    """The same backbone with random weights, where it can have them."""
    if towers_of(backbone):
        return with_towers(backbone, without_weights)
    known = option_defaults(look_up(BACKBONES, backbone.name))
    return backbone.with_options(weights="none") if "weights" in known else backbone


def without_storage(build: Callable[[], Module]) -> Module:
    """The module on the meta device; one that must compute with real numbers while it is built moves there after."""
    try:
        with torch.device("meta"):
            return build()
    except (NotImplementedError, RuntimeError):
        return build().to("meta")
