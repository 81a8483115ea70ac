"""AST, a vision transformer that was trained on sound, from the names of its authors' files or of transformers'.

Gong, Chung, Glass: AST: Audio Spectrogram Transformer, Interspeech 2021 (arXiv 2104.01778).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from backbones.backbone import Backbone, MeanOfFirst
from backbones.families.fit import fill
from backbones.families.vit import read_block
from backbones.families.weights import (
    RANDOM,
    TIMM_FILES,
    Loaded,
    WeightFile,
    hub_file,
    load_checked,
    local_file,
    wants_no_weights,
)
from backbones.formats.checkpoint import Tensors, UnusableFileError, read_checkpoint
from backbones.pictures import PictureSpec, SoundPicture
from backbones.stem import PatchStem, Positions
from registry.registries import register_backbone

REPOSITORY = "MIT/ast-finetuned-audioset-10-10-0.4593"
PATCH, STRIDE, HEAD_WIDTH = 16, 10, 64
PRETRAINED_SOUND = (1024, 128)
"""Frames and mel bands of the ten seconds that it was trained on."""
SOUND = SoundPicture(128, 10.0, 102, -4.2677393, 4.5689974, stem="own")
"""One second, normalised by AudioSet's mean and deviation as AST was trained: (x − mean) / (2 · deviation)."""

EPS = {"transformers": 1e-12, "authors": 1e-6}
"""Of the layer norms, by whose names a file has."""

OF_TRANSFORMERS: Mapping[str, str] = {
    r"^audio_spectrogram_transformer\.": "",
    r"^embeddings\.cls_token$": "cls_token",
    r"^embeddings\.distillation_token$": "dist_token",
    r"^embeddings\.position_embeddings$": "pos_embed",
    r"^embeddings\.patch_embeddings\.projection\.": "patch_embed.proj.",
    r"^encoder\.layer\.": "blocks.",
    r"\.attention\.attention\.": ".attn.",
    r"\.attention\.output\.dense\.": ".attn.proj.",
    r"\.intermediate\.dense\.": ".mlp.fc1.",
    r"\.output\.dense\.": ".mlp.fc2.",
    r"\.layernorm_before\.": ".norm1.",
    r"\.layernorm_after\.": ".norm2.",
    r"^layernorm\.": "norm.",
    r"^classifier\.layernorm\.": "mlp_head.0.",
    r"^classifier\.dense\.": "mlp_head.1.",
}
OF_AUTHORS: Mapping[str, str] = {r"^module\.": "", r"^v\.": ""}
CLASSIFIERS = ("mlp_head.", "head.", "head_dist.")


class AstTower(nn.Module):
    """The parts of an AST under timm's names: timm's blocks between a stem of overlapping patches and a norm.

    Args:
        grid: rows (mel) and columns (time) of the patches that it was trained on.
        patch, stride: side of patches, and from one to the next; smaller than the side, so that they overlap.
    """

    def __init__(
        self,
        dim: int,
        depth: int,
        heads: int,
        grid: tuple[int, int],
        mlp_ratio: float,
        eps: float,
        patch: int = PATCH,
        stride: int = STRIDE,
    ) -> None:
        from timm.models.vision_transformer import Block

        super().__init__()
        self.grid = grid
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(1, dim, patch, stride)})
        self.cls_token, self.dist_token = (nn.Parameter(torch.zeros(1, 1, dim)) for _ in range(2))
        self.pos_embed = nn.Parameter(torch.zeros(1, 2 + grid[0] * grid[1], dim))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        norm: Any = partial(nn.LayerNorm, eps=eps)
        self.blocks = nn.ModuleList(Block(dim, heads, mlp_ratio, qkv_bias=True, norm_layer=norm) for _ in range(depth))
        self.norm = norm(dim)


@register_backbone("ast", version=1)
def ast(
    weights: str = "hub",
    positions: str = "crop_aligned",
    sound: Mapping[str, Any] | None = None,
) -> Backbone:
    """AST-B/16, fine-tuned on AudioSet: it hears and does not see, so tasks take it with `modality='audio'`.

    Args:
        weights: `hub` (transformers' names), a file of either names, or `none` for random weights.
        positions: how positions fit other pictures than those of ten seconds: `crop_aligned`, the middle of each axis,
            as published; `resample`, `crop` or `linear`.
        sound: fields of `SoundPicture` that differ from the default, 102 frames of 10 ms in 128 mel bands.

    Raises:
        UserError: an unknown option, or missing or foreign weights.
    """
    picture = PictureSpec(224, (0.5,) * 3, (0.5,) * 3, SOUND.override(sound))
    if wants_no_weights(weights):
        tower = AstTower(768, 12, 12, grid_of(*PRETRAINED_SOUND), 4.0, EPS["transformers"])
        return read_ast(tower, picture, positions=positions)
    file = hub_file(REPOSITORY, TIMM_FILES, "ast") if weights == "hub" else local_file(weights, "ast")
    tower, classifier = load_checked(file, "ast", lambda: load_ast(file))
    loaded = Loaded(file.digest())
    return read_ast(tower, picture, positions=positions, loaded=loaded, classifier=classifier)


def load_ast(file: WeightFile, heads: int | None = None) -> tuple[AstTower, int | None]:
    """The tower of a file, and how many parameters its classifier has.

    Args:
        heads: None takes as many as make 64 channels each.

    Raises:
        UnusableFileError: the file is of another model.
    """
    recorded = read_checkpoint(file.path)
    authors = any(re.match(r"(module\.)?v\.", name) for name in recorded)
    tensors = renamed(recorded, OF_AUTHORS if authors else OF_TRANSFORMERS)
    tensors = fused(tensors)
    table, first = tensors.get("pos_embed"), tensors.get("blocks.0.mlp.fc1.weight")
    if table is None or first is None or "dist_token" not in tensors:
        raise UnusableFileError("it holds no AST: its positions, distillation token or blocks are missing")
    dim, grid = table.shape[-1], grid_of(*PRETRAINED_SOUND)
    if table.shape[-2] != 2 + grid[0] * grid[1]:
        raise UnusableFileError(
            f"it has {table.shape[-2]} positions, and patches at a stride of {STRIDE} over {PRETRAINED_SOUND[0]} "
            f"frames and {PRETRAINED_SOUND[1]} bands have {2 + grid[0] * grid[1]}"
        )
    depth = len({name.split(".")[1] for name in tensors if name.startswith("blocks.")})
    classifier = {name: tensor for name, tensor in tensors.items() if name.startswith(CLASSIFIERS)}
    eps = EPS["authors" if authors else "transformers"]
    tower = AstTower(dim, depth, heads or dim // HEAD_WIDTH, grid, len(first) / dim, eps)
    fill(tower, tensors, [name for name in tensors if name not in tower.state_dict() and name not in classifier])
    return tower, sum(tensor.numel() for tensor in classifier.values()) or None


def read_ast(
    tower: AstTower,
    picture: PictureSpec,
    *,
    positions: str = "crop_aligned",
    loaded: Loaded = RANDOM,
    classifier: int | None = None,
) -> Backbone:
    """An AST as a frozen backbone that hears.

    Its pictures have rows of mel bands, ours rows of time: kernels and positions are laid over once, so that tokens
    come time by time where transformers has them band by band.
    """
    kernel = cast(nn.Conv2d, tower.patch_embed["proj"])
    project = nn.Conv2d(1, kernel.out_channels, cast(Any, kernel.kernel_size), cast(Any, kernel.stride), device="meta")
    project.weight, project.bias = nn.Parameter(kernel.weight.mT.contiguous()), kernel.bias
    table = torch.cat((tower.pos_embed[0, :2], _by_time(tower.pos_embed[0, 2:], tower.grid)))
    rows, columns = tower.grid[1], tower.grid[0]
    return Backbone(
        PatchStem(
            project,
            prefix=[tower.cls_token, tower.dist_token],
            positions=Positions(nn.Parameter(table.detach()), (rows, columns), 2, positions),
        ),
        [read_block(block) for block in tower.blocks],
        picture=picture,
        final_norm=tower.norm,
        pool=MeanOfFirst(2),
        weight_files=loaded.files,
        weight_notes=loaded.notes,
        classifier=classifier,
        hears_only=True,
    )


def grid_of(frames: int, bands: int, patch: int = PATCH, stride: int = STRIDE) -> tuple[int, int]:
    """Rows (mel) and columns (time) of the patches of a picture."""
    return (bands - patch) // stride + 1, (frames - patch) // stride + 1


def _by_time(table: Tensor, grid: tuple[int, int]) -> Tensor:
    """(mel · time, D) -> (time · mel, D)"""
    return table.unflatten(0, grid).transpose(0, 1).flatten(0, 1)


def renamed(tensors: Tensors, names: Mapping[str, str]) -> Tensors:
    found: Tensors = {}
    for name, tensor in tensors.items():
        for pattern, ours in names.items():
            name = re.sub(pattern, ours, name)
        found[name] = tensor.float()
    return found


def fused(tensors: Tensors) -> Tensors:
    """Queries, keys and values in one, as timm has them."""
    found = dict(tensors)
    for name in tensors:
        first = re.fullmatch(r"(.*\.attn\.)query\.(weight|bias)", name)
        if first:
            parts = [found.pop(f"{first[1]}{letter}.{first[2]}") for letter in ("query", "key", "value")]
            found[f"{first[1]}qkv.{first[2]}"] = torch.cat(parts)
    return found
