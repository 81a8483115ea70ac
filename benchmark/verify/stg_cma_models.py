"""From STG-CMA's golden files to live parts: frozen blocks, backbone, scheme and head with the recorded parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

from open_clip.transformer import QuickGELU, ResidualAttentionBlock, VisionTransformer
from timm.models.swin_transformer import SwinTransformer
from torch import Tensor

from adapters.stg_cma import StgCma
from backbones.backbone import Backbone
from backbones.block import Block
from backbones.families.clip import read_block, read_clip
from backbones.families.swin import read_block as read_swin_block
from backbones.families.swin import read_swin
from backbones.families.swin_common import read_blocks
from backbones.pictures import PictureSpec, SoundPicture, square_sound
from benchmark.verify.loading import Problems, fill
from benchmark.verify.stg_cma_names import PICTURES, Recorded
from registry.vocabulary import MODALITIES
from tasks.event_localisation.paper_heads import HIDDEN, StgCmaClassifier


@dataclass
class Subject:
    """The live model that a golden file describes."""

    blocks: list[Block]
    scheme: StgCma
    prefixes: list[str]
    """What the recorded names of each block's values begin with."""
    problems: Problems
    backbone: Backbone | None = None
    head: StgCmaClassifier | None = None
    leave_stage: Callable[[Tensor], Tensor] = lambda x: x
    """Patch merging behind the blocks of a single stage."""


def build(recorded: Recorded) -> Subject:
    """The live model of a file, with its parameters.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: what the file says of its sizes describes no model.
    """
    return BUILDERS[recorded.variant, recorded.scope](recorded)


def _clip_block(recorded: Recorded) -> Subject:
    meta = recorded.meta
    block = ResidualAttentionBlock(
        meta["dim"], meta["heads"], mlp_ratio=_mlp_ratio(recorded, "", meta["dim"]), act_layer=QuickGELU
    )
    problems = fill(block, recorded.values(recorded.of_library))
    return _without_ends(recorded, [read_block(block)], [""], problems)


def _clip_model(recorded: Recorded) -> Subject:
    meta = recorded.meta
    # Rows and columns that fill no patch reach no token.
    side = meta["image_size"] // meta["patch_size"] * meta["patch_size"]
    tower = VisionTransformer(
        image_size=side,
        patch_size=meta["patch_size"],
        width=meta["dim"],
        layers=meta["layers"],
        heads=meta["heads"],
        mlp_ratio=_mlp_ratio(recorded, "blocks.0.", meta["dim"]),
        output_dim=meta["dim"],
        act_layer=QuickGELU,
    )
    unseen = () if "visual" in recorded.present else ("conv1", "positional_embedding")
    problems = fill(tower, recorded.values(recorded.of_library), absent=("proj", *unseen))
    backbone = read_clip(tower, _picture(recorded, side), positions="crop")
    return _whole(recorded, backbone, [f"blocks.{i}." for i in range(meta["layers"])], problems)


def _swin_stage(recorded: Recorded) -> Subject:
    meta = recorded.meta
    depth, window, grid = meta["depth"], meta["window"], meta["resolution"]
    merging = any(name.startswith("merge.") for name in recorded.parameters)
    model = SwinTransformer(
        img_size=tuple(4 * side for side in grid),
        embed_dim=meta["dim"],
        depths=(depth, 1)[: 1 + merging],
        num_heads=(meta["heads"],) * (1 + merging),
        window_size=min(window, *grid),
        mlp_ratio=_mlp_ratio(recorded, "blocks.0.", meta["dim"]),
        num_classes=0,
    )
    first: Any = model.layers[0].blocks
    if min(grid) <= window:
        # timm looks at each side of an oblong grid by itself; the method shifts along neither if one is a window.
        for block in first:
            block.shift_size = (0, 0)
    problems = fill(model, recorded.values(recorded.of_library), absent=("patch_embed", "norm.", "layers.1.blocks"))
    blocks = read_blocks(model, read_swin_block)
    subject = _without_ends(recorded, blocks[:depth], [f"blocks.{i}." for i in range(depth)], problems)
    if merging:
        subject.leave_stage = blocks[depth].enter
    return subject


def _swin_model(recorded: Recorded) -> Subject:
    meta = recorded.meta
    model = SwinTransformer(
        img_size=meta["image_size"],
        patch_size=meta["patch"][-1],
        embed_dim=meta["embed_dim"],
        depths=meta["depths"],
        num_heads=meta["heads"],
        window_size=meta["window"],
        mlp_ratio=_mlp_ratio(recorded, "stages.0.blocks.0.", meta["embed_dim"]),
        num_classes=0,
    )
    unseen = () if "visual" in recorded.present else ("patch_embed",)
    problems = fill(model, recorded.values(recorded.of_library), absent=unseen)
    backbone = read_swin(model, _picture(recorded, meta["image_size"]))
    prefixes = [f"stages.{s}.blocks.{i}." for s, depth in enumerate(meta["depths"]) for i in range(depth)]
    return _whole(recorded, backbone, prefixes, problems)


def _without_ends(recorded: Recorded, blocks: list[Block], prefixes: list[str], problems: Problems) -> Subject:
    for block in blocks:
        block.requires_grad_(False)
    scheme = _scheme(recorded, cast(Backbone, SimpleNamespace(blocks=blocks)), problems)
    return Subject(blocks, scheme, prefixes, problems)


def _whole(recorded: Recorded, backbone: Backbone, prefixes: list[str], problems: Problems) -> Subject:
    if backbone.sound_stem is not None:
        problems |= fill(backbone.sound_stem, recorded.values(recorded.of_sound), absent=("prefix",))
    first = recorded.parameters.get("head.fc1.weight")
    hidden = HIDDEN if first is None else len(first)
    head = StgCmaClassifier(backbone.dim, int(recorded.meta["num_classes"]), recorded.present, hidden=hidden)
    problems |= fill(head, recorded.values(recorded.of_head))
    scheme = _scheme(recorded, backbone, problems)
    return Subject(cast("list[Block]", list(backbone.blocks)), scheme, prefixes, problems, backbone, head.eval())


def _scheme(recorded: Recorded, backbone: Backbone, problems: Problems) -> StgCma:
    meta, clip = recorded.meta, recorded.variant == "clip"
    position: Any = ("embedding" if recorded.scope == "full" else "none") if clip else "bias"
    scheme = StgCma(
        backbone,
        ratio=meta["adapter_ratios" if "adapter_ratios" in meta else "adapter_ratio"],
        every=1 if clip else 2,
        position=position,
        segments=recorded.clips[1],
        exchange=recorded.mode == "fusion",
        mlp_adapter="parallel" if not clip and len(recorded.present) == 1 else "serial",
        train_final_norm=clip and recorded.scope == "full",
    )
    strange = fill(scheme, recorded.values(recorded.of_scheme))
    # A file of one modality holds nothing of the other.
    lone = {m for m in MODALITIES if m not in recorded.present}
    problems |= {name: note for name, note in strange.items() if not lone & set(name.split("."))}
    return scheme.eval()


def _picture(recorded: Recorded, side: int) -> PictureSpec:
    sound = square_sound(side, 0.0, 1.0)
    if "audio" in recorded.present:
        rows, columns = recorded.tensors[PICTURES["audio"]].shape[-2:]
        sound = SoundPicture(columns, 10.0, rows, 0.0, 1.0, stem="own")
    return PictureSpec(side, (0.0,) * 3, (1.0,) * 3, sound)


def _mlp_ratio(recorded: Recorded, prefix: str, dim: int) -> float:
    hidden: int = recorded.parameters[f"{prefix}mlp.fc1.weight"].shape[0]
    return hidden / dim


BUILDERS: dict[tuple[str, str], Callable[[Recorded], Subject]] = {
    ("clip", "block"): _clip_block,
    ("clip", "full"): _clip_model,
    ("swin", "stage"): _swin_stage,
    ("swin", "full"): _swin_model,
}
"""By a file's `variant` and `scope`."""
