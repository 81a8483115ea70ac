"""timm's Swin transformers version 2 read into blocks: norms after the branch, cosine attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from backbones.attention import Attention, CosineSimilarity, QueryValueBiasLinear
from backbones.backbone import Backbone, PictureSpec
from backbones.block import Block, Pair
from backbones.families.common import expect, picture_of
from backbones.families.presets import register_presets
from backbones.families.swin_common import ContinuousWindowBias, read_stages, shift_mask
from backbones.families.timm_models import load_timm, own_statistics
from backbones.families.vit import read_mlp
from backbones.pictures import square_sound
from backbones.windows import ShiftedWindows
from registry.registries import register_backbone

SOUND_MEAN, SOUND_STD = -4.984795570373535, 3.7079780101776123
"""Log-mel statistics with which LAVISH normalises sound of 192 mel bands."""


@register_backbone("swin_v2", version=1)
def swin_v2(
    model: str = "swinv2_base_window12_192.ms_in22k",
    weights: str = "hub",
    size: int | None = None,
    statistics: str = "own",
    sound: Mapping[str, Any] | None = None,
) -> Backbone:
    """Any timm SwinTransformerV2.

    Args:
        weights: `hub`, a file or folder, or `none` for random weights.
        size: side of frames and of sound pictures in pixels; None takes the model's own.
        statistics: normalise frames by the model's `own` or by `imagenet` mean and deviation.
        sound: fields of `SoundPicture` that differ from the default, or a paper's `preset`; the default is
            as many frames and mel bands as `size` in one second (5.2 ms at 192), as in LAVISH.

    Raises:
        UserError: an unknown model or option, missing or foreign weights, or a size that does not divide into windows.
    """
    tower, loaded = load_timm(model, weights, size)
    _expect_swin_v2(tower)
    side = tower.patch_embed.img_size[0]
    picture = picture_of(side, own_statistics(tower), statistics, square_sound(side, SOUND_MEAN, SOUND_STD), sound)
    return read_swin_v2(tower, picture, weight_files=loaded.files, weight_notes=loaded.notes)


def read_swin_v2(
    model: Any,
    picture: PictureSpec,
    *,
    weight_files: Mapping[str, str] | None = None,
    weight_notes: Sequence[str] = (),
) -> Backbone:
    """A timm `SwinTransformerV2` as a frozen backbone that shares its parameters.

    Raises:
        UserError: the model has parts that this reader does not know, or windows do not divide its grids.
    """
    _expect_swin_v2(model)
    return read_stages(model, picture, _read_block, weight_files, weight_notes)


def _expect_swin_v2(model: Any) -> None:
    from timm.models.swin_transformer_v2 import SwinTransformerV2

    expect(model, SwinTransformerV2, "swin_v2")


def _read_block(block: Any, windows: ShiftedWindows, entrance: nn.Module | None) -> Block:
    inner = block.attn
    qkv = inner.qkv
    if inner.q_bias is not None:
        qkv = QueryValueBiasLinear(inner.qkv.weight, inner.q_bias, inner.v_bias)
    attention = Attention(
        qkv,
        inner.proj,
        inner.num_heads,
        similarity=CosineSimilarity(inner.logit_scale),
        position=ContinuousWindowBias(inner.cpb_mlp, inner.relative_coords_table, inner.relative_position_index),
        mask=shift_mask(block),
    )
    return Block(
        attention,
        read_mlp(block.mlp, "swin_v2"),
        before=Pair(nn.Identity(), nn.Identity()),
        after=Pair(block.norm1, block.norm2),
        windows=windows,
        enter=entrance,
    )


register_presets(swin_v2, version=1)
