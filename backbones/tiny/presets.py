"""The tiny backbones by name, read by the same readers as the large ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backbones.backbone import Backbone, PictureSpec, SoundPicture
from backbones.families.audio.ast import read_ast
from backbones.families.clip import read_clip
from backbones.families.fit import fill
from backbones.families.swin import read_swin
from backbones.families.vit import read_vit
from backbones.families.weights import Loaded, WeightFile, load_checked, local_file, wants_no_weights
from backbones.formats.checkpoint import read_checkpoint
from backbones.tiny.architectures import BUILDERS, PICTURE_SIDE
from registry.errors import UserError
from registry.registries import register_backbone

EMBEDDED = "embedded"
"""The value of `weights` that names the file beside this module."""

# Frames as in pre-training (mean 0.4, deviation 0.25). Sound: 32 rows of 31.25 ms fill one second; its mean is that of
# the procedural world's training clips, its deviation such that sound pictures have the contrast of painted ones.
PICTURE = PictureSpec(
    size=PICTURE_SIDE,
    mean=(0.4, 0.4, 0.4),
    std=(0.25, 0.25, 0.25),
    sound=SoundPicture(mel_bands=32, frame_shift_ms=31.25, frames=32, mean=-3.4, std=2.2),
)


@register_backbone("tiny_vit", version=1)
def tiny_vit(weights: str = EMBEDDED) -> Backbone:
    """A timm ViT of 0.2 M parameters on 32 x 32 pictures; `weights` is embedded, none (random) or a file."""
    return _build("tiny_vit", read_vit, weights)


@register_backbone("tiny_swin", version=1)
def tiny_swin(weights: str = EMBEDDED) -> Backbone:
    """A timm Swin of 0.1 M parameters on 32 x 32 pictures; `weights` is embedded, none (random) or a file."""
    return _build("tiny_swin", read_swin, weights)


@register_backbone("tiny_clip", version=1)
def tiny_clip(weights: str = EMBEDDED) -> Backbone:
    """An open_clip tower of 0.2 M parameters on 32 x 32 pictures; `weights` is embedded, none (random) or a file."""
    return _build("tiny_clip", read_clip, weights)


@register_backbone("tiny_ast", version=1)
def tiny_ast(weights: str = EMBEDDED) -> Backbone:
    """An AST of 0.2 M parameters that hears and does not see; `weights` is embedded, none (random) or a file.

    Pre-trained on procedural sounds alone. For tasks with `modality='audio'`, or beside another in `towers`.
    """
    return _build("tiny_ast", _read_ast, weights)


def _read_ast(model: Any, picture: PictureSpec, weight_files: dict[str, str] | None = None) -> Backbone:
    heard = dataclasses.replace(picture, sound=picture.sound.override({"stem": "own"}))
    return read_ast(model, heard, loaded=Loaded(weight_files or {}))


def _build(name: str, read: Callable[..., Backbone], weights: str) -> Backbone:
    model: Any = BUILDERS[name]()
    if wants_no_weights(weights):
        return read(model, PICTURE)
    file = _embedded_file(name) if weights == EMBEDDED else local_file(weights, name)
    load_checked(file, name, lambda: _fill(model, file))
    return read(model, PICTURE, weight_files=file.digest())


def _fill(model: Any, file: WeightFile) -> None:
    tensors = {name: tensor.float() for name, tensor in read_checkpoint(file.path).items()}
    fill(model, tensors, [name for name in tensors if name not in model.state_dict()])


def _embedded_file(name: str) -> WeightFile:
    path = Path(__file__).with_name(f"{name}.safetensors")
    if not path.is_file():
        raise UserError(
            f"embedded weights {path.name} are missing; make them with: python -m benchmark pretrain {name}"
        )
    return WeightFile(path.name, path)
