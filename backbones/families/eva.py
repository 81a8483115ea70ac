"""timm's Eva family (EVA, EVA02, DINOv3 and other vision transformers with rotary positions) read into blocks."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from backbones.attention import Attention, DotProduct, QueryValueBiasLinear
from backbones.backbone import AttentionPool, Backbone, PictureSpec
from backbones.block import Block, Mlp, Pair
from backbones.families.common import expect, picture_of
from backbones.families.timm_models import classifier_size, load_timm, own_statistics
from backbones.families.vit import read_mlp, read_pool, read_stem
from backbones.pictures import VIT_SOUND
from backbones.rotary import Gate, Grid, JoinedLinear, NormedLinear, Rotary, RotaryDotProduct, grids_of, scale_of
from backbones.stem import refuse_indivisible
from registry.errors import UserError
from registry.registries import register_backbone


@register_backbone("eva", version=1)
def eva(
    model: str = "eva02_base_patch14_224.mim_in22k",
    weights: str = "hub",
    size: int | None = None,
    positions: str = "resample",
    statistics: str = "own",
    sound: Mapping[str, Any] | None = None,
    resample_stem: bool = False,
) -> Backbone:
    """Any timm Eva model: EVA, EVA02, DINOv3 (`vit_…_dinov3.…`).

    Rotary positions are computed for the grid of each kind of picture, so that sound pictures need no resampling.

    Args:
        weights: `hub`, a file or folder, or `none` for random weights.
        size: side of a frame in pixels; None takes the model's own.
        positions: how a table of positions, where the model has one, fits sound pictures: `resample`, `crop`,
            `crop_aligned` or `linear`.
        statistics: normalise frames by the model's `own` or by `imagenet` mean and deviation.
        sound: fields of `SoundPicture` that differ from the default, or a paper's `preset`; the default is
            102 frames of 10 ms in 128 mel bands.
        resample_stem: take a file of a model with patches of another size, its stem resampled to the model's.

    Raises:
        UserError: an unknown model or option, missing or foreign weights, or a size that does not divide into patches.
    """
    tower, loaded = load_timm(model, weights, size, resample_stem)
    _expect_eva(tower)
    picture = picture_of(tower.patch_embed.img_size[0], own_statistics(tower), statistics, VIT_SOUND, sound)
    return read_eva(tower, picture, positions=positions, weight_files=loaded.files, weight_notes=loaded.notes)


def _expect_eva(model: Any) -> None:
    from timm.models.eva import Eva

    expect(model, Eva, "eva")
    if model.rope_mixed:
        raise UserError("the eva reader takes rotary positions without parameters, but this model learns them.")


def read_eva(
    model: Any,
    picture: PictureSpec,
    *,
    positions: str = "resample",
    weight_files: Mapping[str, str] | None = None,
    weight_notes: Sequence[str] = (),
) -> Backbone:
    """A timm `Eva` as a frozen backbone that shares its parameters.

    Raises:
        UserError: the model has parts that this reader does not know, or the picture does not divide into patches.
    """
    _expect_eva(model)
    refuse_indivisible(picture.size, model.patch_embed.patch_size[0])
    norm_after_pool = isinstance(model.norm, nn.Identity)
    if not norm_after_pool and not isinstance(model.fc_norm, nn.Identity):
        raise UserError(
            "the eva reader takes one norm at the end, but this model has one before and one after pooling."
        )
    rotary = _read_rotary(model, picture)
    return Backbone(
        read_stem(model, positions, "eva"),
        [
            _read_block(block, rotary, model.norm_pre if index == 0 else None)
            for index, block in enumerate(model.blocks)
        ],
        picture=picture,
        final_norm=model.fc_norm if norm_after_pool else model.norm,
        pool=_read_pool(model),
        norm_after_pool=norm_after_pool,
        weight_files=weight_files,
        weight_notes=weight_notes,
        classifier=classifier_size(model),
    )


def _read_rotary(model: Any, picture: PictureSpec) -> Rotary | None:
    if model.rope is None:
        return None
    pictures = ((picture.size, picture.size), (picture.sound.frames, picture.sound.mel_bands))
    grids = grids_of(pictures, model.patch_embed.patch_size)

    def table_of(grid: Grid) -> Tensor:
        # The model's own keeps the table of its own grid.
        rope = copy.deepcopy(model.rope)
        rope.update_feat_shape(list(grid))
        table: Tensor = rope.get_embed(shape=list(grid))
        return table

    halves = bool(getattr(model.blocks[0].attn, "rotate_half", False))
    return Rotary(table_of, grids, model.num_prefix_tokens, halves)


def _read_block(block: Any, rotary: Rotary | None, enter: nn.Module | None) -> Block:
    from timm.models.eva import EvaBlock, EvaBlockPostNorm

    attention, mlp = _read_attention(block.attn, rotary), read_gated_mlp(block.mlp, "eva")
    if type(block) is EvaBlockPostNorm:
        nothing = Pair(nn.Identity(), nn.Identity())
        return Block(attention, mlp, before=nothing, after=Pair(block.norm1, block.norm2), enter=enter)
    expect(block, EvaBlock, "eva")
    after = Pair(scale_of(block.gamma_1), scale_of(block.gamma_2))
    return Block(attention, mlp, before=Pair(block.norm1, block.norm2), after=after, enter=enter)


def _read_attention(inner: Any, rotary: Rotary | None) -> Attention:
    from timm.layers.attention import AttentionRope
    from timm.models.eva import EvaAttention

    if type(inner) is not AttentionRope:
        expect(inner, EvaAttention, "eva")
    if inner.gate is not None or getattr(inner, "num_kv_groups", 1) > 1:
        raise UserError("the eva reader takes attention without a gate or shared keys, but this model has them.")
    if inner.qkv is None:
        qkv: Any = JoinedLinear([inner.q_proj, inner.k_proj, inner.v_proj])
    elif getattr(inner, "q_bias", None) is not None:
        qkv = QueryValueBiasLinear(inner.qkv.weight, inner.q_bias, inner.v_bias)
    else:
        qkv = inner.qkv
    proj: Any = inner.proj if isinstance(inner.norm, nn.Identity) else NormedLinear(inner.norm, inner.proj)
    norms = (inner.q_norm, inner.k_norm)
    similarity = DotProduct(inner.scale, *norms) if rotary is None else RotaryDotProduct(inner.scale, rotary, *norms)
    return Attention(qkv, proj, inner.num_heads, similarity=similarity)


def read_gated_mlp(mlp: Any, reader: str) -> Mlp:
    """timm's MLP, with a gate or without.

    Raises:
        UserError: another one.
    """
    from timm.layers.mlp import GluMlp, SwiGLU

    kind = type(mlp)
    if kind is GluMlp:
        return Mlp(mlp.fc1, Gate(mlp.act, mlp.gate_last), mlp.fc2, norm=mlp.norm)
    if kind is SwiGLU:
        joined: Any = JoinedLinear([mlp.fc1_g, mlp.fc1_x])
        return Mlp(joined, Gate(mlp.act), mlp.fc2, norm=mlp.norm)
    return read_mlp(mlp, reader)


def _read_pool(model: Any) -> nn.Module:
    # Unlike that of a ViT, this attention pool reads the class token and registers too.
    return AttentionPool(model.attn_pool) if model.global_pool == "map" else read_pool(model, "eva")
