"""open_clip's vision transformer towers read into blocks."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from backbones.attention import Attention, DotProduct
from backbones.backbone import Backbone, PictureSpec
from backbones.block import Block, Mlp, Pair
from backbones.families.common import expect, picture_of
from backbones.families.hub import OPENAI
from backbones.families.presets import register_presets
from backbones.families.weights import (
    WeightFile,
    hub_file,
    load_checked,
    local_file,
    unknown_model,
    wants_no_weights,
)
from backbones.kernels.activation import read_activation
from backbones.kernels.linear import linear_of
from backbones.pictures import VIT_SOUND
from backbones.pooling import FirstToken, MeanToken
from backbones.positions import Positions
from backbones.stem import PatchStem, refuse_indivisible
from registry.errors import UserError, unknown
from registry.registries import register_backbone


@register_backbone("clip")
def clip(
    model: str = "ViT-B-16-quickgelu",
    weights: str = "hub",
    size: int | None = None,
    positions: str = "resample",
    statistics: str = "own",
    sound: Mapping[str, Any] | None = None,
    heads: int | None = None,
) -> Backbone:
    """The picture tower of any open_clip model that has a vision transformer; its last projection is dropped.

    Args:
        weights: `hub` (OpenAI's), a tag of open_clip such as `laion2b_s34b_b88k`, a file, or `none` for random weights.
            A tag brings the activation it was trained with; otherwise the model's name decides, and OpenAI's QuickGELU
            is in those that end in `-quickgelu`.
        size: side of a frame in pixels; None takes the model's own.
        positions: how positions fit sound pictures: `resample`, `crop`, `crop_aligned` or `linear`.
        statistics: normalise frames by the model's `own` or by `imagenet` mean and deviation.
        sound: fields of `SoundPicture` that differ from the default, or a paper's `preset`; the default is
            102 frames of 10 ms in 128 mel bands.
        heads: attention heads to cut the projections into; None takes the model's own (STG-CMA ran B/16 with 8 of 12).

    Raises:
        UserError: an unknown model or option, missing weights, or a size that does not divide into patches.
    """
    tower, files = _load(model, weights, size)
    _expect_tower(tower)
    own = tuple(tower.image_mean), tuple(tower.image_std)
    picture = picture_of(tower.image_size[0], own, statistics, VIT_SOUND, sound)
    return read_clip(tower, picture, positions=positions, heads=heads, weight_files=files)


def read_clip(
    visual_tower: Any,
    picture: PictureSpec,
    *,
    positions: str = "resample",
    heads: int | None = None,
    weight_files: Mapping[str, str] | None = None,
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


def _load(model: str, weights: str, size: int | None) -> tuple[Any, dict[str, str]]:
    """The picture tower, and the sha256 of the file that initialised it."""
    import open_clip

    if model not in open_clip.list_models():
        raise unknown_model(model, "open_clip", open_clip.list_models())

    def build(path: str | None) -> Any:
        with _root_logger_left_alone():
            return open_clip.create_model(model, pretrained=path, pretrained_text=False, **options).visual

    options: dict[str, Any] = {"force_image_size": size, "device": torch.get_default_device()}
    if wants_no_weights(weights):
        return build(None), {}
    file, published = _find(model, weights)
    options["force_quick_gelu"] = published.get("quick_gelu", False)
    options["force_preprocess_cfg"] = {k: published[k] for k in ("mean", "std") if k in published}
    return load_checked(file, model, build), file.digest()


@contextmanager
def _root_logger_left_alone() -> Iterator[None]:
    """open_clip logs to the root logger, which thereby gains a handler and warns of random weights that we label."""
    root, handler, disabled = logging.getLogger(), logging.NullHandler(), logging.root.manager.disable
    root.addHandler(handler)
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(disabled)
        root.removeHandler(handler)


def _find(model: str, weights: str) -> tuple[WeightFile, dict[str, Any]]:
    """The file, and what open_clip knows of weights it publishes: activation, mean, deviation."""
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

    tags = list_pretrained_tags_by_model(model)
    tag = OPENAI if weights == "hub" else weights
    if tag not in tags and weights != "hub":
        if "/" not in weights and not Path(weights).is_file():
            raise unknown(f"weights of {model}", weights, [*tags, "hub", "none", "a file"])
        return local_file(weights, model), {}
    published: dict[str, Any] = get_pretrained_cfg(model, tag) if tag in tags else {}
    repository, _, name = published.get("hf_hub", "").rpartition("/")
    if not repository:
        choices = ", ".join(f"weights='{t}'" for t in tags if t != tag) or "no tag"
        raise UserError(f"no {tag} weights of {model} on the hub; open_clip has {choices}; or give a file or 'none'.")
    names = (name,) if name else ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
    return hub_file(repository, names, model), published


register_presets(clip)
