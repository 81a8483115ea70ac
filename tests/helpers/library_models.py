"""Small library models of every family, with every parameter moved away from its initial value."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import open_clip.transformer as open_clip
import torch
from timm.models.beit import Beit
from timm.models.eva import Eva
from timm.models.swin_transformer import SwinTransformer
from timm.models.swin_transformer_v2 import SwinTransformerV2
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from backbones.backbone import Backbone, PictureSpec, SoundPicture
from backbones.families.beit import read_beit
from backbones.families.clip import read_clip
from backbones.families.eva import read_eva
from backbones.families.swin import read_swin
from backbones.families.swin_v2 import read_swin_v2
from backbones.families.vit import read_vit

SIDE = 32
SOUND = SoundPicture(SIDE, 10.0, SIDE, 0.0, 1.0)
PICTURE = PictureSpec(SIDE, (0.5,) * 3, (0.5,) * 3, SOUND)


class Family(NamedTuple):
    """How to build a library model, read it, and ask the library itself for (tokens, pooled) of (N, 3, S, S)."""

    build: Callable[[], nn.Module]
    read: Callable[..., Backbone]
    truth: Callable[[Any, Tensor], tuple[Tensor, Tensor]]


def timm_truth(model: Any, pictures: Tensor) -> tuple[Tensor, Tensor]:
    features = model.forward_features(pictures)
    tokens = features.flatten(1, 2) if features.ndim == 4 else features
    return model.fc_norm(tokens) if hasattr(model, "fc_norm") else tokens, model.forward_head(features, pre_logits=True)


def clip_truth(model: Any, pictures: Tensor) -> tuple[Tensor, Tensor]:
    x = model.transformer(model._embeds(pictures))
    return model.ln_post(x), model._pool(x)[0]


def _vit(**options: Any) -> VisionTransformer:
    settings = {"img_size": SIDE, "patch_size": 8, "embed_dim": 48, "depth": 3, "num_heads": 4, "num_classes": 0}
    return VisionTransformer(**(settings | options))


def _clip(**options: Any) -> open_clip.VisionTransformer:
    settings = {"image_size": SIDE, "patch_size": 8, "width": 48, "layers": 3, "heads": 4, "mlp_ratio": 4.0}
    return open_clip.VisionTransformer(**(settings | {"output_dim": 16} | options))


def _beit(**options: Any) -> Beit:
    settings = {"img_size": SIDE, "patch_size": 8, "embed_dim": 48, "depth": 3, "num_heads": 4, "num_classes": 0}
    return Beit(**(settings | {"use_abs_pos_emb": False} | options))


def _eva(**options: Any) -> Eva:
    settings = {"img_size": SIDE, "patch_size": 8, "embed_dim": 48, "depth": 3, "num_heads": 4, "num_classes": 0}
    return Eva(**(settings | options))


_ROTARY = {"use_rot_pos_emb": True, "ref_feat_shape": (3, 3)}


def _swin(kind: Any, **options: Any) -> nn.Module:
    settings = {"img_size": SIDE, "patch_size": 2, "embed_dim": 16, "depths": (2, 2), "num_heads": (2, 4)}
    return kind(**(settings | {"window_size": 4, "num_classes": 0} | options))


FAMILIES = {
    "vit": Family(_vit, read_vit, timm_truth),
    "vit_without_qkv_bias": Family(partial(_vit, qkv_bias=False), read_vit, timm_truth),
    "vit_mean_pooled": Family(partial(_vit, global_pool="avg", qk_norm=True), read_vit, timm_truth),
    "vit_attention_pooled": Family(partial(_vit, global_pool="map", class_token=False), read_vit, timm_truth),
    "deit_3": Family(
        partial(_vit, init_values=1e-6, no_embed_class=True, reg_tokens=2, drop_path_rate=0.5), read_vit, timm_truth
    ),
    "clip_quick_gelu": Family(partial(_clip, act_layer=open_clip.QuickGELU), read_clip, clip_truth),
    "clip_gelu": Family(partial(_clip, ls_init_value=1e-5, pool_type="avg"), read_clip, clip_truth),
    "clip_norm_after_pool": Family(partial(_clip, final_ln_after_pool=True), read_clip, clip_truth),
    "beit": Family(partial(_beit, use_rel_pos_bias=True, init_values=0.1), read_beit, timm_truth),
    "beit_with_table": Family(
        partial(_beit, use_abs_pos_emb=True, qkv_bias=False, global_pool="token"), read_beit, timm_truth
    ),
    "eva": Family(partial(_eva, global_pool="avg", init_values=0.1), read_eva, timm_truth),
    "eva_02_small": Family(partial(_eva, swiglu_mlp=True, **_ROTARY), read_eva, timm_truth),
    "eva_02_base": Family(
        partial(_eva, qkv_fused=False, swiglu_mlp=True, scale_mlp=True, scale_attn_inner=True, **_ROTARY),
        read_eva,
        timm_truth,
    ),
    "eva_post_norm": Family(partial(_eva, use_post_norm=True), read_eva, timm_truth),
    "dino_v3": Family(
        partial(
            _eva,
            qkv_bias=False,
            init_values=1e-5,
            num_reg_tokens=4,
            use_abs_pos_emb=False,
            no_embed_class=True,
            use_rot_pos_emb=True,
            rope_type="dinov3",
            rope_rotate_half=True,
            swiglu_mlp=True,
            swiglu_align_to=8,
        ),
        read_eva,
        timm_truth,
    ),
    "perception_encoder": Family(
        partial(
            _eva,
            attn_type="rope",
            use_pre_transformer_norm=True,
            use_rot_pos_emb=True,
            ref_feat_shape=(4, 4),
            rope_grid_offset=1.0,
            rope_grid_indexing="xy",
            global_pool="map",
            attn_pool_num_heads=4,
            attn_pool_mlp_ratio=4.0,
        ),
        read_eva,
        timm_truth,
    ),
    "swin": Family(partial(_swin, SwinTransformer), read_swin, timm_truth),
    "swin_one_window_at_the_end": Family(partial(_swin, SwinTransformer, window_size=8), read_swin, timm_truth),
    "swin_v2": Family(partial(_swin, SwinTransformerV2), read_swin_v2, timm_truth),
    "swin_v2_of_another_window": Family(
        partial(_swin, SwinTransformerV2, window_size=8, pretrained_window_sizes=(6, 3), qkv_bias=False),
        read_swin_v2,
        timm_truth,
    ),
}


def perturbed(build: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """The model with noise on every parameter: at their initial values Swin v2's branches are zero, DeiT III's tiny."""
    torch.manual_seed(seed)
    model = build().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
            if name.endswith("logit_scale"):
                parameter[0] = 6.0  # above Swin v2's clamp
    return model


def run(backbone: Backbone, pictures: Tensor) -> Any:
    """Embed, every block, finish: (B, T, 3, S, S) -> Features."""
    x = backbone.embed(pictures)
    for block in backbone.blocks:
        x = block.enter(x)
        x = x + block.attend(x)
        x = x + block.feed_forward(x)
    return backbone.finish(x)
