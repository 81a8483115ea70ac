"""timm's plain vision transformers (ViT, DeiT, DeiT III) read into blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from backbones.attention import Attention, DotProduct
from backbones.backbone import AttentionPool, Backbone, FirstToken, MeanToken, PictureSpec
from backbones.block import Block, Mlp, Pair
from backbones.families.common import expect, picture_of
from backbones.families.presets import register_presets
from backbones.families.timm_models import classifier_size, load_timm, own_statistics
from backbones.pictures import VIT_SOUND
from backbones.stem import PatchStem, Positions, refuse_indivisible
from registry.errors import UserError
from registry.registries import register_backbone


@register_backbone("vit", version=1)
def vit(
    model: str = "vit_base_patch16_224.augreg_in21k",
    weights: str = "hub",
    size: int | None = None,
    positions: str = "resample",
    statistics: str = "own",
    sound: Mapping[str, Any] | None = None,
    resample_stem: bool = False,
) -> Backbone:
    """Any timm VisionTransformer.

    Args:
        weights: `hub`, a file or folder, or `none` for random weights.
        size: side of a frame in pixels; None takes the model's own.
        positions: how positions fit sound pictures: `resample`, `crop`, `crop_aligned` or `linear`.
        statistics: normalise frames by the model's `own` or by `imagenet` mean and deviation.
        sound: fields of `SoundPicture` that differ from the default, or a paper's `preset`; the default is
            102 frames of 10 ms in 128 mel bands.
        resample_stem: take a file of a model with patches of another size, its stem resampled to the model's.

    Raises:
        UserError: an unknown model or option, missing or foreign weights, or a size that does not divide into patches.
    """
    tower, loaded = load_timm(model, weights, size, resample_stem)
    _expect_vit(tower)
    side = tower.patch_embed.img_size[0]
    picture = picture_of(side, own_statistics(tower), statistics, VIT_SOUND, sound)
    return read_vit(tower, picture, positions=positions, weight_files=loaded.files, weight_notes=loaded.notes)


def _expect_vit(model: Any) -> None:
    from timm.models.vision_transformer import VisionTransformer

    expect(model, VisionTransformer, "vit")


def read_vit(
    model: Any,
    picture: PictureSpec,
    *,
    positions: str = "resample",
    weight_files: Mapping[str, str] | None = None,
    weight_notes: Sequence[str] = (),
) -> Backbone:
    """A timm `VisionTransformer` as a frozen backbone that shares its parameters.

    Raises:
        UserError: the model has parts that this reader does not know, or the picture does not divide into patches.
    """
    _expect_vit(model)
    refuse_indivisible(picture.size, model.patch_embed.patch_size[0])
    norm_after_pool = isinstance(model.norm, nn.Identity)
    return Backbone(
        read_stem(model, positions, "vit"),
        [read_block(block, model.norm_pre if index == 0 else None) for index, block in enumerate(model.blocks)],
        picture=picture,
        final_norm=model.fc_norm if norm_after_pool else model.norm,
        pool=read_pool(model, "vit"),
        norm_after_pool=norm_after_pool,
        weight_files=weight_files,
        weight_notes=weight_notes,
        classifier=classifier_size(model),
    )


def read_stem(model: Any, policy: str, reader: str) -> PatchStem:
    """timm's patch, class, register and position embedding; `policy` is how positions fit other pictures.

    Raises:
        UserError: another kind of embedding.
    """
    from timm.layers.patch_embed import PatchEmbed

    expect(model.patch_embed, PatchEmbed, reader)
    prefix = [token for token in (model.cls_token, model.reg_token) if token is not None]
    placed = 0 if model.no_embed_class else model.num_prefix_tokens
    positions = None
    if model.pos_embed is not None:
        positions = Positions(model.pos_embed, tuple(model.patch_embed.grid_size), placed, policy)
    embed = model.patch_embed
    return PatchStem(embed.proj, patch_norm=embed.norm, prefix=prefix, positions=positions)


def read_block(block: Any, enter: nn.Module | None = None) -> Block:
    """A timm `Block` as a block that shares its parameters.

    Args:
        enter: what tokens go through before the block.

    Raises:
        UserError: another kind of block or attention.
    """
    from timm.layers.attention import Attention as TimmAttention
    from timm.models.vision_transformer import Block as TimmBlock

    expect(block, TimmBlock, "vit")
    expect(block.attn, TimmAttention, "vit")
    inner = block.attn
    if inner.gate is not None or not isinstance(inner.norm, nn.Identity):
        raise UserError("the vit reader takes attention without a gate or an inner norm, but this model has one.")
    similarity = DotProduct(inner.scale, inner.q_norm, inner.k_norm)
    return Block(
        Attention(inner.qkv, inner.proj, inner.num_heads, similarity=similarity),
        read_mlp(block.mlp, "vit"),
        before=Pair(block.norm1, block.norm2),
        after=Pair(block.ls1, block.ls2),
        enter=enter,
    )


def read_mlp(mlp: Any, reader: str) -> Mlp:
    """timm's two-layer MLP.

    Raises:
        UserError: a gated or otherwise different MLP.
    """
    from timm.layers.mlp import Mlp as TimmMlp

    expect(mlp, TimmMlp, reader)
    return Mlp(mlp.fc1, mlp.act, mlp.fc2, norm=mlp.norm)


def read_pool(model: Any, reader: str) -> nn.Module:
    """timm's pooling by class token, mean or attention.

    Raises:
        UserError: another one.
    """
    skip = 0 if getattr(model, "pool_include_prefix", False) else model.num_prefix_tokens
    if model.global_pool == "token":
        return FirstToken()
    if model.global_pool == "avg":
        return MeanToken(skip)
    if model.global_pool == "map":
        return AttentionPool(model.attn_pool, skip)
    raise UserError(f"the {reader} reader takes token, avg or map pooling, but this model has {model.global_pool!r}.")


register_presets(vit, version=1)
