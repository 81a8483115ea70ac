"""A very small model of each family, read by its reader, with noise on every parameter."""

from __future__ import annotations

import torch
from torch import nn

from adapters.toy import ToyBackbone
from backbones.backbone import Backbone
from backbones.families.audio.htsat import HtsatTower, read_htsat
from backbones.families.beit import read_beit
from backbones.families.clip import read_clip
from backbones.families.eva import read_eva
from backbones.families.swin import read_swin
from backbones.families.swin_v2 import read_swin_v2
from backbones.families.vit import read_vit
from backbones.pictures import PictureSpec, SoundPicture, square_sound
from backbones.towers import Towers


def tiny_vit() -> Backbone:
    from timm.models.vision_transformer import VisionTransformer

    return read_vit(
        _noisy(VisionTransformer(img_size=16, patch_size=8, embed_dim=32, depth=2, num_heads=4)), _picture(16)
    )


def tiny_clip() -> Backbone:
    from open_clip.transformer import VisionTransformer

    tower = VisionTransformer(
        image_size=16, patch_size=8, width=32, layers=2, heads=4, mlp_ratio=2.0, output_dim=8, final_ln_after_pool=True
    )
    return read_clip(_noisy(tower), _picture(16))


def tiny_eva() -> Backbone:
    from timm.models.eva import Eva

    rotary = {"use_rot_pos_emb": True, "ref_feat_shape": (2, 2), "qkv_fused": False, "scale_attn_inner": True}
    return read_eva(
        _noisy(Eva(img_size=16, patch_size=8, embed_dim=32, depth=2, num_heads=4, swiglu_mlp=True, **rotary)),
        _picture(16),
    )


def tiny_beit() -> Backbone:
    from timm.models.beit import Beit

    model = Beit(img_size=16, patch_size=8, embed_dim=32, depth=2, num_heads=4, use_rel_pos_bias=True)
    return read_beit(_noisy(model), _picture(16))


def tiny_swin() -> Backbone:
    from timm.models.swin_transformer import SwinTransformer

    return read_swin(_noisy(SwinTransformer(**_two_stages())), _picture(32))


def tiny_swin_v2() -> Backbone:
    from timm.models.swin_transformer_v2 import SwinTransformerV2

    return read_swin_v2(_noisy(SwinTransformerV2(**_two_stages())), _picture(32))


def towers() -> Towers:
    """Of one width; sound passes two blocks for each one of sight."""
    from timm.models.vision_transformer import VisionTransformer

    deep = VisionTransformer(img_size=16, patch_size=8, embed_dim=32, depth=4, num_heads=4)
    return Towers(tiny_vit(), read_vit(_noisy(deep), _picture(16)))


def unlike_towers() -> Towers:
    """Of two widths, depths and numbers of tokens; the one for sound only hears."""
    heard = SoundPicture(mel_bands=8, frame_shift_ms=10.0, frames=13, mean=0.0, std=0.5, stem="own")
    hears = read_htsat(_noisy(HtsatTower(16, (2, 1), (2, 4), 32, 4, 8)), PictureSpec(32, (0.5,) * 3, (0.5,) * 3, heard))
    return Towers(tiny_swin(), hears)


def toy() -> ToyBackbone:
    return _noisy(ToyBackbone())


FAMILIES = {"toy": toy, "vit": tiny_vit, "clip": tiny_clip, "swin": tiny_swin, "swin_v2": tiny_swin_v2}
FAMILIES |= {"eva": tiny_eva, "beit": tiny_beit, "towers": towers}


def pictures_for(backbone) -> dict[str, torch.Tensor]:
    """Two clips of three segments, {modality: (2, 3, 3, S, S)}."""
    if not isinstance(backbone.picture, PictureSpec):
        return {m: torch.randn(2, 3, 3, backbone.picture, backbone.picture) for m in ("visual", "audio")}
    side, sound = backbone.picture.size, backbone.picture.sound
    heard = (1 if sound.stem == "own" else 3, sound.frames, sound.mel_bands)
    return {"visual": torch.randn(2, 3, 3, side, side), "audio": torch.randn(2, 3, *heard)}


def _noisy(model):
    """Noise on every parameter, before a reader computes anything from them."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def _two_stages() -> dict[str, object]:
    # Windows of 4 on an 8 x 8 grid: the second block is shifted and masked.
    return {"img_size": 32, "embed_dim": 32, "depths": (2, 1), "num_heads": (2, 4), "window_size": 4, "num_classes": 0,
            "norm_layer": nn.LayerNorm}  # fmt: skip


def _picture(side: int) -> PictureSpec:
    return PictureSpec(side, (0.5,) * 3, (0.5,) * 3, square_sound(side, 0.0, 1.0))
