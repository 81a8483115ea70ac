"""open_clip's vision transformer towers read into blocks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from backbones.attention import Attention, DotProduct
from backbones.backbone import Backbone, FirstToken, MeanToken, PictureSpec
from backbones.block import Block, Mlp, Pair
from backbones.families.common import expect, picture_of
from backbones.families.fit import fill
from backbones.families.presets import register_presets
from backbones.families.timm_towers import TimmTower, load_timm_tower
from backbones.families.weights import (
    HUB_PREFIXES,
    OPEN_CLIP_FILES,
    RANDOM,
    Loaded,
    WeightFile,
    hub_file,
    load_checked,
    local_file,
    named_file,
    unknown_model,
    wants_no_weights,
    warn_of_activation,
)
from backbones.formats.checkpoint import UnusableFileError, read_checkpoint
from backbones.formats.layouts import find_tower, not_to_be_left_out
from backbones.kernels.activation import read_activation
from backbones.kernels.linear import linear_of
from backbones.pictures import VIT_SOUND
from backbones.stem import PatchStem, Positions, refuse_indivisible
from registry.errors import UserError, unknown
from registry.registries import register_backbone

OPENAI = "openai"
"""The tag of open_clip that `hub` stands for."""

ACTIVATIONS = ("gelu", "quickgelu")


@register_backbone("clip", version=1)
def clip(
    model: str = "ViT-B-16-quickgelu",
    weights: str = "hub",
    size: int | None = None,
    positions: str = "resample",
    statistics: str = "own",
    sound: Mapping[str, Any] | None = None,
    heads: int | None = None,
    activation: str | None = None,
) -> Backbone:
    """The picture tower of any open_clip model that has a vision transformer, its own or timm's (SigLIP, EVA); its last
    projection is dropped.

    Args:
        weights: `hub` (OpenAI's), a tag of open_clip such as `laion2b_s34b_b88k`, a file or folder, or `none` for
            random weights.
        size: side of a frame in pixels; None takes the model's own.
        positions: how positions fit sound pictures: `resample`, `crop`, `crop_aligned` or `linear`.
        statistics: normalise frames by the model's `own` or by `imagenet` mean and deviation.
        sound: fields of `SoundPicture` that differ from the default, or a paper's `preset`; the default is
            102 frames of 10 ms in 128 mel bands.
        heads: attention heads to cut the projections into; None takes the model's own (STG-CMA ran B/16 with 8 of 12).
        activation: `gelu` or `quickgelu` (OpenAI's) of the MLPs. None takes what a tag was trained with; a file does
            not tell, so that there the model's name decides, with a warning (`…-quickgelu` has OpenAI's).

    Raises:
        UserError: an unknown model or option, missing or foreign weights, or a size that does not divide into patches.
    """
    tower, loaded = _load(model, weights, size, activation)
    if isinstance(tower, TimmTower):
        return tower.read(statistics, sound, positions, heads, loaded)
    _expect_tower(tower)
    own = tuple(tower.image_mean), tuple(tower.image_std)
    picture = picture_of(tower.image_size[0], own, statistics, VIT_SOUND, sound)
    return read_clip(
        tower, picture, positions=positions, heads=heads, weight_files=loaded.files, weight_notes=loaded.notes
    )


def read_clip(
    visual_tower: Any,
    picture: PictureSpec,
    *,
    positions: str = "resample",
    heads: int | None = None,
    weight_files: Mapping[str, str] | None = None,
    weight_notes: Sequence[str] = (),
) -> Backbone:
    """An open_clip `VisionTransformer` as a frozen backbone that shares its parameters.

    Raises:
        UserError: the tower has parts that this reader does not know, or the picture does not divide into patches.
    """
    tower = visual_tower
    _expect_tower(tower)
    refuse_indivisible(picture.size, tower.patch_size[0])
    table = Positions(tower.positional_embedding, tuple(tower.grid_size), 1, positions)
    return Backbone(
        PatchStem(tower.conv1, prefix=[tower.class_embedding], positions=table),
        [
            read_block(block, heads, tower.ln_pre if index == 0 else None)
            for index, block in enumerate(tower.transformer.resblocks)
        ],
        picture=picture,
        final_norm=tower.ln_post,
        pool=FirstToken() if tower.pool_type == "tok" else MeanToken(1),
        norm_after_pool=tower.final_ln_after_pool,
        weight_files=weight_files,
        weight_notes=weight_notes,
    )


def _expect_tower(tower: Any) -> None:
    from open_clip.transformer import VisionTransformer

    expect(tower, VisionTransformer, "clip")
    if tower.attn_pool is not None or tower.pool_type not in ("tok", "avg"):
        raise UserError("the clip reader takes towers that pool by class token or mean; this one has its own pooling.")


def read_block(block: Any, heads: int | None = None, enter: nn.Module | None = None) -> Block:
    """An open_clip `ResidualAttentionBlock` as a block that shares its parameters.

    Args:
        heads: as many as these instead of the block's own.
        enter: what tokens go through before the block.

    Raises:
        UserError: another kind of block, or heads that do not divide its width.
    """
    from open_clip.transformer import ResidualAttentionBlock

    expect(block, ResidualAttentionBlock, "clip")
    inner = block.attn
    width, heads = inner.embed_dim, heads or inner.num_heads
    if width % heads:
        raise UserError(f"heads={heads} does not divide the width {width}; the model's own is {inner.num_heads}.")
    qkv = linear_of(inner.in_proj_weight, inner.in_proj_bias)
    proj = linear_of(inner.out_proj.weight, inner.out_proj.bias)
    return Block(
        Attention(qkv, proj, heads, similarity=DotProduct((width // heads) ** -0.5)),
        Mlp(block.mlp.c_fc, read_activation(block.mlp.gelu), block.mlp.c_proj),
        before=Pair(block.ln_1, block.ln_2),
        after=Pair(block.ls_1, block.ls_2),
        enter=enter,
    )


def _load(model: str, weights: str, size: int | None, activation: str | None) -> tuple[Any, Loaded]:
    """The picture tower, and what initialised it."""
    import open_clip

    if activation not in (None, *ACTIVATIONS):
        raise unknown("activation", activation, ACTIVATIONS)
    config = open_clip.get_model_config(model) if model in open_clip.list_models() else None
    if config is None:
        raise unknown_model(model, "open_clip", open_clip.list_models())
    random = wants_no_weights(weights)
    file, published = (None, {}) if random else _find(model, weights)
    if "timm_model_name" in config["vision_cfg"]:
        if activation is not None:
            raise UserError(f"activation={activation} is for towers of open_clip's own, but {model} has one of timm.")
        return load_timm_tower(config["vision_cfg"], size, file, published)
    quick = bool(config.get("quick_gelu") or published.get("quick_gelu"))
    own = "quickgelu" if quick else "gelu"
    tower = _build(config, size, activation or own)
    tower.image_mean = published.get("mean") or open_clip.OPENAI_DATASET_MEAN
    tower.image_std = published.get("std") or open_clip.OPENAI_DATASET_STD
    if file is None:
        return tower, RANDOM
    notes = load_checked(file, model, lambda: _fill(tower, file))
    if activation is not None:
        notes.append(f"activation {activation} as asked for")
    elif not file.published:
        notes.append(warn_of_activation(file, model, own, "name the right one with activation='gelu' or 'quickgelu'"))
    return tower, Loaded(file.digest(), tuple(notes))


def _build(config: Mapping[str, Any], size: int | None, activation: str) -> Any:
    """The picture tower of an open_clip configuration beside a text tower of one number."""
    import open_clip

    vision = {**config["vision_cfg"]} | ({} if size is None else {"image_size": size})
    if not isinstance(vision.get("layers", 12), int):
        raise UserError("the clip reader takes vision transformers, but this model has a ResNet.")
    text = {"context_length": 1, "vocab_size": 1, "width": 1, "heads": 1, "layers": 1}
    model = open_clip.CLIP(config["embed_dim"], vision, text, quick_gelu=activation == "quickgelu")
    model.visual.proj = None
    return model.visual


def _fill(tower: Any, file: WeightFile) -> list[str]:
    """Fill a picture tower -> how the file was fitted to it."""
    found = find_tower(read_checkpoint(file.path))
    if found is None or found.names != "clip":
        holds = "timm's names; read it with vit(model='vit_…_clip_…')" if found else "no picture tower of CLIP"
        raise UnusableFileError(f"it holds {holds}")
    tensors, notes = dict(found.tensors), []
    positions, own = tensors.get("positional_embedding"), tower.positional_embedding
    if positions is not None and len(positions) != len(own):
        side, (rows, columns) = math.isqrt(len(positions) - 1), tower.grid_size
        notes.append(f"positions resampled from {side} x {side} to {rows} x {columns}")
        tensors["positional_embedding"] = _resampled(positions.float(), side, (rows, columns))
    left = [name for name in tensors if name not in tower.state_dict()]
    fill(tower, tensors, [] if file.published else not_to_be_left_out(found, left))
    return notes


def _resampled(positions: Tensor, side: int, grid: tuple[int, int]) -> Tensor:
    """Positions of a square grid behind one class token, fitted to another as open_clip does: (1 + n², D) -> (L, D)"""
    picture = positions[1:].T.unflatten(1, (side, side))[None]
    fitted = nn.functional.interpolate(picture, grid, mode="bicubic", antialias=True)
    return torch.cat((positions[:1], fitted[0].flatten(1).T))


def _find(model: str, weights: str) -> tuple[WeightFile, dict[str, Any]]:
    """The file, and what open_clip knows of weights it publishes: activation, mean, deviation."""
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

    tags = list_pretrained_tags_by_model(model)
    tag = OPENAI if weights == "hub" else weights
    if tag not in tags and weights != "hub":
        if weights.startswith(HUB_PREFIXES):
            return named_file(weights, model, OPEN_CLIP_FILES), {}
        if "/" not in weights and not Path(weights).exists():
            raise unknown(f"weights of {model}", weights, [*tags, "hub", "none", "a file"])
        return local_file(weights, model, OPEN_CLIP_FILES), {}
    published: dict[str, Any] = get_pretrained_cfg(model, tag) if tag in tags else {}
    repository, _, name = published.get("hf_hub", "").rpartition("/")
    if not repository:
        choices = ", ".join(f"weights='{t}'" for t in tags if t != tag) or "no tag"
        raise UserError(f"no {tag} weights of {model} on the hub; open_clip has {choices}; or give a file or 'none'.")
    return hub_file(repository, (name,) if name else OPEN_CLIP_FILES, model), published


register_presets(clip, version=1)
