"""timm's Swin transformers (version 1) read into blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from backbones.attention import Attention, DotProduct
from backbones.backbone import Backbone, PictureSpec
from backbones.block import Block, Pair
from backbones.families.common import expect, picture_of
from backbones.families.presets import register_presets
from backbones.families.swin_common import WindowBias, read_stages, shift_mask
from backbones.families.timm_models import load_timm, own_statistics
from backbones.families.vit import read_mlp
from backbones.pictures import AUDIOSET_MEAN, AUDIOSET_STD, square_sound
from backbones.windows import ShiftedWindows
from registry.registries import register_backbone


@register_backbone("swin", version=1)
def swin(
    model: str = "swin_base_patch4_window7_224.ms_in22k",
    weights: str = "hub",
    size: int | None = None,
    statistics: str = "own",
    sound: Mapping[str, Any] | None = None,
) -> Backbone:
    """Any timm SwinTransformer.

    Args:
        weights: `hub`, a file or folder, or `none` for random weights.
        size: side of frames and of sound pictures in pixels; None takes the model's own.
        statistics: normalise frames by the model's `own` or by `imagenet` mean and deviation.
        sound: fields of `SoundPicture` that differ from the default, or a paper's `preset`; the default is
            as many frames and mel bands as `size` in one second (4.4 ms at 224), with the mean of the stem's colour
            weights, as in STG-CMA.

    Raises:
        UserError: an unknown model or option, missing or foreign weights, or a size that does not divide into windows.
    """
    tower, loaded = load_timm(model, weights, size)
    _expect_swin(tower)
    side = tower.patch_embed.img_size[0]
    heard = square_sound(side, AUDIOSET_MEAN, AUDIOSET_STD, channels="mean")
    picture = picture_of(side, own_statistics(tower), statistics, heard, sound)
    return read_swin(tower, picture, weight_files=loaded.files, weight_notes=loaded.notes)


def read_swin(
    model: Any,
    picture: PictureSpec,
    *,
    weight_files: Mapping[str, str] | None = None,
    weight_notes: Sequence[str] = (),
) -> Backbone:
    """A timm `SwinTransformer` as a frozen backbone that shares its parameters.

    Raises:
        UserError: the model has parts that this reader does not know, or windows do not divide its grids.
    """
    _expect_swin(model)
    return read_stages(model, picture, read_block, weight_files, weight_notes)


def _expect_swin(model: Any) -> None:
    from timm.models.swin_transformer import SwinTransformer

    expect(model, SwinTransformer, "swin")


def read_block(block: Any, windows: ShiftedWindows, entrance: nn.Module | None) -> Block:
    """A timm `SwinTransformerBlock` as a block that shares its parameters."""
    inner = block.attn
    attention = Attention(
        inner.qkv,
        inner.proj,
        inner.num_heads,
        similarity=DotProduct(inner.scale),
        position=WindowBias(inner.relative_position_bias_table, inner.relative_position_index),
        mask=shift_mask(block),
    )
    return Block(
        attention,
        read_mlp(block.mlp, "swin"),
        before=Pair(block.norm1, block.norm2),
        after=Pair(nn.Identity(), nn.Identity()),
        windows=windows,
        enter=entrance,
    )


register_presets(swin, version=1)
