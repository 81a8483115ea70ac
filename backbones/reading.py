"""Helpers of the family readers: clear refusals, picture statistics, presets."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

from torch import nn

from backbones.backbone import Backbone
from backbones.pictures import PictureSpec, SoundPicture
from backbones.presets import PRESETS
from registry.errors import UserError, unknown
from registry.registries import register_backbone

Statistics = Literal["own", "imagenet"]
"""Channel mean and deviation of frames: the model's own, or ImageNet's (which STG-CMA and LAVISH use throughout)."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def expect(module: nn.Module, kind: type, reader: str) -> None:
    """Refuse variants whose arithmetic a reader does not know.

    Raises:
        UserError: `module` is not exactly of `kind`.
    """
    if type(module) is not kind:
        raise UserError(f"the {reader} reader takes {kind.__name__}, but this model has {type(module).__name__}.")


def picture_of(
    size: int,
    own: tuple[tuple[float, ...], tuple[float, ...]],
    statistics: str,
    sound: SoundPicture,
    changes: Mapping[str, Any] | None,
) -> PictureSpec:
    """The pictures of a preset: the model's size, the chosen statistics, the family's sound with changes.

    Raises:
        UserError: unknown statistics or an impossible change of the sound.
    """
    if statistics not in get_args(Statistics):
        raise unknown("statistics", statistics, get_args(Statistics))
    mean, std = own if statistics == "own" else (IMAGENET_MEAN, IMAGENET_STD)
    return PictureSpec(size, tuple(mean), tuple(std), sound.override(changes))


def register_presets(build: Callable[..., Backbone]) -> None:
    """Register the presets of the family whose reader this is."""
    for name, preset in PRESETS.items():
        if preset.family == build.__name__:
            register_backbone(name)(_of_one_model(build, preset.model, preset.doc))


def _of_one_model(build: Callable[..., Backbone], model: str, doc: str) -> Callable[..., Backbone]:
    """A builder of one model: the options of `build` without `model`."""

    def built(**options: Any) -> Backbone:
        return build(model=model, **options)

    signature = inspect.signature(build)
    kept = [parameter for name, parameter in signature.parameters.items() if name != "model"]
    built.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    built.__doc__ = doc
    return built
