"""The library modules behind the embedded default: ordinary timm and open_clip classes at a tiny size."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from backbones.families.audio.ast import AstTower, grid_of

PICTURE_SIDE = 32
WIDTH = 64


def build_vit() -> nn.Module:
    """timm `VisionTransformer`: 4 x 4 patches, 4 blocks, 0.2 M parameters."""
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(
        img_size=PICTURE_SIDE,
        patch_size=8,
        embed_dim=WIDTH,
        depth=4,
        num_heads=4,
        num_classes=0,
        global_pool="avg",
        fc_norm=False,
    )


def build_swin() -> nn.Module:
    """timm `SwinTransformer` (v1): 8 x 8 then 4 x 4 tokens, windows of 4, shifted in every second block."""
    from timm.models.swin_transformer import SwinTransformer

    return SwinTransformer(
        img_size=PICTURE_SIDE, patch_size=4, embed_dim=32, depths=(2, 2), num_heads=(2, 4), window_size=4, num_classes=0
    )


def build_clip() -> Any:
    """open_clip `VisionTransformer` without its projection: class token, norm before the blocks, QuickGELU."""
    from open_clip.transformer import QuickGELU, VisionTransformer

    tower = VisionTransformer(
        image_size=PICTURE_SIDE,
        patch_size=8,
        width=WIDTH,
        layers=4,
        heads=4,
        mlp_ratio=4.0,
        output_dim=WIDTH,
        act_layer=QuickGELU,
        norm_layer=partial(nn.LayerNorm, eps=1e-5),
        output_tokens=True,
    )
    tower.proj = None
    return tower


class TinyAst(AstTower):
    """An AST that can be trained: its authors' steps on pictures whose rows are time."""

    def forward_features(self, pictures: Tensor) -> Tensor:
        """(N, 1, frames, F) -> (N, 2 + L, D) after the final norm, class and distillation token first"""
        patches = self.patch_embed["proj"](pictures.mT).flatten(2).mT
        prefix = [token.expand(len(patches), -1, -1) for token in (self.cls_token, self.dist_token)]
        x = torch.cat((*prefix, patches), dim=1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        normed: Tensor = self.norm(x)
        return normed


def build_ast() -> TinyAst:
    """AST of 5 x 5 overlapping patches and two tokens more, 4 blocks, 0.2 M parameters."""
    return TinyAst(WIDTH, 4, 4, grid_of(PICTURE_SIDE, PICTURE_SIDE, 8, 6), 4.0, 1e-6, patch=8, stride=6)


BUILDERS: dict[str, Callable[[], Any]] = {
    "tiny_vit": build_vit,
    "tiny_swin": build_swin,
    "tiny_clip": build_clip,
    "tiny_ast": build_ast,
}
