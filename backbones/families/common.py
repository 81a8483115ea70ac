"""Helpers of the family readers: clear refusals and picture statistics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from torch import nn

from backbones.pictures import PictureSpec, SoundPicture
from registry.errors import UserError, unknown

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
