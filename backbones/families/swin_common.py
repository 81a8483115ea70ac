"""What Swin v1 and v2 share: stages of windowed blocks, patch merging, window position bias."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from backbones.backbone import Backbone, MeanToken, PictureSpec
from backbones.block import Block
from backbones.families.timm_models import classifier_size
from backbones.kernels.linear import linear_of
from backbones.stem import PatchStem
from backbones.windows import ShiftedWindows
from registry.errors import UserError

ReadBlock = Callable[[Any, ShiftedWindows, nn.Module | None], Block]


class PatchMerging(nn.Module):
    """The frozen start of a stage: four neighbouring tokens become one of a new width."""

    def __init__(self, merge: nn.Module, grid: tuple[int, int]) -> None:
        super().__init__()
        self.merge, self.grid = merge, grid
        reduction: Any = merge.reduction
        merge.reduction = linear_of(reduction.weight, reduction.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, L', D') -> (B, T, L' / 4, D)"""
        merged = self.merge(x.flatten(0, 1).unflatten(1, self.grid))
        return merged.flatten(1, 2).unflatten(0, x.shape[:2])


class WindowBias(nn.Module):
    """Swin v1's position bias: a table entry for each offset between two tokens of a window."""

    index: Tensor

    def __init__(self, table: nn.Parameter, index: Tensor) -> None:
        super().__init__()
        self.table = table
        self.register_buffer("index", index, persistent=False)

    def forward(self) -> Tensor:
        """-> (H, l, l)"""
        return self.table[self.index].permute(2, 0, 1)


class ContinuousWindowBias(nn.Module):
    """Swin v2's position bias: an MLP of log-spaced offsets (arXiv 2111.09883, section 3.3)."""

    offsets: Tensor
    index: Tensor

    def __init__(self, mlp: nn.Module, offsets: Tensor, index: Tensor) -> None:
        super().__init__()
        self.mlp = mlp
        self.register_buffer("offsets", offsets, persistent=False)
        self.register_buffer("index", index, persistent=False)

    def forward(self) -> Tensor:
        """-> (H, l, l)"""
        table = self.mlp(self.offsets).flatten(0, -2)
        return 16 * table[self.index].permute(2, 0, 1).sigmoid()


def read_stages(
    model: Any,
    picture: PictureSpec,
    read_block: ReadBlock,
    weight_files: Mapping[str, str] | None,
    weight_notes: Sequence[str],
) -> Backbone:
    """A timm Swin of either version as a frozen backbone that shares its parameters.

    Raises:
        UserError: windows do not divide the grids of tokens, or the model does not pool by the mean.
    """
    if model.global_pool not in ("avg", ""):
        raise UserError(f"the Swin readers take mean pooling, but this model has {model.global_pool!r}.")
    _refuse_indivisible(model)
    embed = model.patch_embed
    return Backbone(
        PatchStem(embed.proj, patch_norm=embed.norm, exact=tuple(embed.img_size)),
        read_blocks(model, read_block),
        picture=picture,
        final_norm=model.norm,
        pool=MeanToken(),
        weight_files=weight_files,
        weight_notes=weight_notes,
        classifier=classifier_size(model),
    )


def read_blocks(model: Any, read_block: ReadBlock) -> list[Block]:
    """The blocks of all stages of a timm Swin, patch merging at the start of each later stage."""
    return [block for stage in model.layers for block in _read_stage(stage, read_block)]


def shift_mask(block: Any) -> Tensor | None:
    """What keeps tokens apart that a shift brought into one window: (G, l, l), or None without a shift."""
    weight = block.norm1.weight
    return block.get_attn_mask(device=weight.device, dtype=weight.dtype)


def _read_stage(stage: Any, read_block: ReadBlock) -> list[Block]:
    entrance = None
    if not isinstance(stage.downsample, nn.Identity):
        entrance = PatchMerging(stage.downsample, tuple(stage.input_resolution))
    blocks: list[Block] = []
    for block in stage.blocks:
        windows = ShiftedWindows(tuple(block.input_resolution), tuple(block.window_size), tuple(block.shift_size))
        blocks.append(read_block(block, windows, None if blocks else entrance))
    return blocks


def _refuse_indivisible(model: Any) -> None:
    patch, stages = model.patch_embed.patch_size, len(model.layers)
    windows = [stage.blocks[0].window_size for stage in model.layers]
    for axis, size in enumerate(model.patch_embed.img_size):
        widest = max(window[axis] for window in windows)
        if not _divides(size, patch[axis], widest, stages):
            near = sorted(range(1, 4 * size), key=lambda s: abs(s - size))
            fitting = sorted([s for s in near if _divides(s, patch[axis], widest, stages)][:3])
            sizes = ", ".join(map(str, fitting))
            raise UserError(
                f"picture size {size} does not divide into patches of {patch[axis]}, {stages} stages and windows of "
                f"{widest}; sizes that do: {sizes}."
            )


def _divides(size: int, patch: int, window: int, stages: int) -> bool:
    """Whether every stage has a whole number of windows and an even grid to merge."""
    if size % (patch * 2 ** (stages - 1)):
        return False
    grids = [size // patch // 2**stage for stage in range(stages)]
    return all(grid % min(grid, window) == 0 for grid in grids)
