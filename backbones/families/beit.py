"""timm's BEiT and BEiT v2 read into blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from backbones.attention import Attention, DotProduct, QueryValueBiasLinear
from backbones.backbone import Backbone, FirstToken, MeanToken, PictureSpec
from backbones.block import Block, Pair
from backbones.families.common import expect, picture_of
from backbones.families.eva import read_gated_mlp
from backbones.families.swin_common import WindowBias
from backbones.families.timm_models import classifier_size, load_timm, own_statistics
from backbones.pictures import AUDIOSET_MEAN, AUDIOSET_STD, square_sound
from backbones.rotary import scale_of
from backbones.stem import PatchStem, Positions, refuse_indivisible
from registry.errors import UserError
from registry.registries import register_backbone


@register_backbone("beit", version=1)
def beit(
    model: str = "beitv2_base_patch16_224.in1k_ft_in22k",
    weights: str = "hub",
    size: int | None = None,
    statistics: str = "own",
    sound: Mapping[str, Any] | None = None,
    resample_stem: bool = False,
) -> Backbone:
    """Any timm BEiT: its biases of relative positions fix the grid of patches, so that sound has the frames' size.

    Args:
        weights: `hub`, a file or folder, or `none` for random weights.
        size: side of frames and of sound pictures in pixels; None takes the model's own.
        statistics: normalise frames by the model's `own` or by `imagenet` mean and deviation.
        sound: fields of `SoundPicture` that differ from the default, which is as many frames and mel bands as `size` in
            one second.
        resample_stem: take a file of a model with patches of another size, its stem resampled to the model's.

    Raises:
        UserError: an unknown model or option, missing or foreign weights, or a size that does not divide into patches.
    """
    tower, loaded = load_timm(model, weights, size, resample_stem)
    _expect_beit(tower)
    side = tower.patch_embed.img_size[0]
    heard = square_sound(side, AUDIOSET_MEAN, AUDIOSET_STD, channels="mean")
    picture = picture_of(side, own_statistics(tower), statistics, heard, sound)
    return read_beit(tower, picture, weight_files=loaded.files, weight_notes=loaded.notes)


def read_beit(
    model: Any,
    picture: PictureSpec,
    *,
    weight_files: Mapping[str, str] | None = None,
    weight_notes: Sequence[str] = (),
) -> Backbone:
    """A timm `Beit` as a frozen backbone that shares its parameters.

    Raises:
        UserError: the model has parts that this reader does not know, or the picture is of another size.
    """
    _expect_beit(model)
    refuse_indivisible(picture.size, model.patch_embed.patch_size[0])
    embed, norm_after_pool = model.patch_embed, isinstance(model.norm, nn.Identity)
    positions = None if model.pos_embed is None else Positions(model.pos_embed, tuple(embed.grid_size), 1, "resample")
    stem = PatchStem(
        embed.proj, patch_norm=embed.norm, prefix=[model.cls_token], positions=positions, exact=tuple(embed.img_size)
    )
    return Backbone(
        stem,
        [_read_block(block) for block in model.blocks],
        picture=picture,
        final_norm=model.fc_norm if norm_after_pool else model.norm,
        pool=MeanToken(1) if model.global_pool == "avg" else FirstToken(),
        norm_after_pool=norm_after_pool,
        weight_files=weight_files,
        weight_notes=weight_notes,
        classifier=classifier_size(model),
    )


def _expect_beit(model: Any) -> None:
    from timm.models.beit import Beit

    expect(model, Beit, "beit")
    if model.rel_pos_bias is not None or model.global_pool not in ("avg", "token"):
        raise UserError("the beit reader takes a bias of positions in each block and token or avg pooling.")


def _read_block(block: Any) -> Block:
    from timm.models.beit import Attention as BeitAttention
    from timm.models.beit import Block as BeitBlock

    expect(block, BeitBlock, "beit")
    expect(block.attn, BeitAttention, "beit")
    inner = block.attn
    qkv = inner.qkv
    if inner.q_bias is not None:
        qkv = QueryValueBiasLinear(inner.qkv.weight, inner.q_bias, inner.v_bias)
    position = (
        None
        if inner.relative_position_bias_table is None
        else WindowBias(inner.relative_position_bias_table, inner.relative_position_index)
    )
    return Block(
        Attention(qkv, inner.proj, inner.num_heads, similarity=DotProduct(inner.scale), position=position),
        read_gated_mlp(block.mlp, "beit"),
        before=Pair(block.norm1, block.norm2),
        after=Pair(scale_of(block.gamma_1), scale_of(block.gamma_2)),
    )
