"""STG-CMA: bottlenecks after each branch that exchange their hidden codes, and one over attention along time.

Towards Efficient Audio-Visual Learners via Empowering Pre-trained Vision Transformers with Cross-Modal Adaptation,
CVPR Workshops 2024. Where the paper leaves a choice, as the authors' code makes it (kaiw7/STG-CMA, commit b09534d).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, cast, get_args

from torch import Tensor, nn

from adapters.parts import (
    PER_FRAME,
    PER_POSITION,
    PER_POSITION_OF_THE_BATCH,
    Bottleneck,
    Gate,
    blocks_of,
    cross_attend,
    drop_path,
    each_modality,
    keep_only,
    stages,
    together,
)
from adapters.scheme import AdapterScheme
from adapters.temporal import TemporalAdapter, TemporalBias, TemporalEmbedding
from adapters.trainable_copies import by_name, trainable_final_norm
from registry import UserError, register_adapter
from registry.errors import unknown
from registry.space import OneOf, SearchSpace
from registry.vocabulary import MODALITIES, PARTNER, Streams

if TYPE_CHECKING:
    from backbones.backbone import Backbone
    from backbones.block import Block

Position = Literal["none", "embedding", "bias"]
MlpAdapter = Literal["serial", "parallel"]

PARALLEL_SCALE = 0.5
"""Of the adapter beside the MLP in the authors' unimodal Swin."""


def exchange_codes(codes: Streams, gates: nn.ModuleDict) -> Streams:
    """Each modality's codes attend to the partner's, both as they were: {m: (…, L, D)} -> same."""
    return {m: code + gates[m](cross_attend(code, codes[PARTNER[m]])) for m, code in codes.items()}


class CrossModalAdapter(nn.Module):
    """One bottleneck per modality; inside it, hidden codes attend to the partner's hidden codes."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.bottleneck = each_modality(lambda: Bottleneck(dim, hidden))

    def forward(self, updates: Streams, gates: nn.ModuleDict | None, block: Block | None = None) -> Streams:
        """{modality: (B, T, L, D)} -> {modality: (B, T, L, D)}

        Codes are exchanged where there are gates and both modalities; within the groups of `block`, if it is given.
        """
        bottleneck = cast("Mapping[str, Bottleneck]", self.bottleneck)
        codes = {m: bottleneck[m].code(x) for m, x in updates.items()}
        if gates is not None and len(codes) == 2:
            group, ungroup = (block.group, block.ungroup) if block is not None else (_same, _same)
            heard = exchange_codes({m: group(code) for m, code in codes.items()}, gates)
            codes = {m: ungroup(code) for m, code in heard.items()}
        return {m: bottleneck[m].up(code) for m, code in codes.items()}


class BlockAdapter(nn.Module):
    """Everything that STG-CMA adds to one block; the gates are shared by both exchanges.

    Args:
        temporal: makes the adapter along time; None in blocks without one.
        beside_mlp: whether the adapter of the MLP reads what the MLP reads, at half scale, instead of what it puts out.
        drop: rate of stochastic depth of an adapter beside the MLP, a draw for each frame.
    """

    def __init__(
        self,
        dim: int,
        hidden: int,
        *,
        temporal: Callable[[], TemporalAdapter] | None,
        exchange: bool,
        beside_mlp: bool,
        drop: float,
    ) -> None:
        super().__init__()
        self.beside_mlp, self.drop = beside_mlp, drop
        self.temporal = each_modality(temporal) if temporal is not None else None
        self.spatial = CrossModalAdapter(dim, hidden)
        self.joint = CrossModalAdapter(dim, hidden)
        self.gates = each_modality(Gate) if exchange else None

    def forward(self, block: Block, streams: Streams) -> Streams:
        """{modality: (B, T, L, D)} -> {modality: (B, T, L, D)}"""
        if self.temporal is not None:
            streams = self.along_time(block, streams)
        return self.through_mlp(block, self.over_space(block, streams))

    def along_time(self, block: Block, streams: Streams) -> Streams:
        """The temporal step of blocks that have one: {modality: (B, T, L, D)} -> same"""
        adapters = cast(nn.ModuleDict, self.temporal)
        bias = {m: cast(TemporalAdapter, adapters[m]).attention_bias(x) for m, x in streams.items()}
        if any(b is not None for b in bias.values()):  # each modality learns its own
            update = {m: block.attend_over_time(x, bias=bias[m]) for m, x in streams.items()}
        else:
            update = together(block.attend_over_time, streams)
        return {m: x + adapters[m](update[m]) for m, x in streams.items()}

    def over_space(self, block: Block, streams: Streams) -> Streams:
        """The spatial step, exchange within the block's groups: {modality: (B, T, L, D)} -> same"""
        update = together(block.attend, streams)
        adapted = self.spatial(update, self.gates, block)
        return {m: x + update[m] + adapted[m] for m, x in streams.items()}

    def through_mlp(self, block: Block, streams: Streams) -> Streams:
        """The joint step, exchange over the whole picture: {modality: (B, T, L, D)} -> same"""
        update = together(block.feed_forward, streams)
        adapted = self._beside(block, streams) if self.beside_mlp else self.joint(update, self.gates)
        return {m: x + update[m] + adapted[m] for m, x in streams.items()}

    def _beside(self, block: Block, streams: Streams) -> Streams:
        adapted = self.joint({m: block.mlp_input(x) for m, x in streams.items()}, self.gates)
        return {m: drop_path(PARALLEL_SCALE * x, self.drop, self.training, PER_FRAME) for m, x in adapted.items()}


@register_adapter("stg_cma", version=1)
class StgCma(AdapterScheme):
    """Bottlenecks over time, space and MLP; audio and sight exchange their hidden codes inside them.

    The published settings for ten segments (learning settings belong to the recipe):

    - CLIP: `stg_cma(position='embedding', drop_path=0.2, train_final_norm=True)`; the authors' code drops a token
      position of the whole batch at once there, `drop_whole_batch=True`, which at their batch of one clip is the same
    - Swin-L: `stg_cma(ratio=(0.5, 0.25, 0.125, 0.0625), every=2, position='bias', drop_path=0.2)`
    - one modality on Swin: the same with `modality='visual', mlp_adapter='parallel'`

    Args:
        backbone: read for widths and heads of its blocks.
        ratio: hidden width as a share of the block's width, rounded down; one number, or one for each stage.
        every: attention along time in each block whose place within its stage this divides.
        position: how attention along time tells segments apart: not at all, by an embedding added to the tokens
            before the first block, or by a bias for each distance, head, block and modality.
        segments: T, used by `position` only; the benchmark sets it to the task's number of segments.
        exchange: whether hidden codes are exchanged; without it there are no gates.
        drop_path: stochastic depth of the update along time, rising from 0 in the first block to this in the last.
        drop_whole_batch: drop a token position in all clips of a batch instead of clip by clip.
        mlp_adapter: `serial` on the output of the MLP, or `parallel` on its input at half scale.
        train_final_norm: whether the backbone's final norm is trained, as one copy for both modalities.
        modality: `visual` or `audio` builds nothing for the other, for tasks that ask for one stream only.

    Raises:
        UserError: an option out of range, or a ratio that leaves no hidden channel.
    """

    search_space: ClassVar[SearchSpace] = {
        **AdapterScheme.search_space,
        "ratio": OneOf((0.03125, 0.0625, 0.125, 0.25, 0.5)),
        "drop_path": OneOf((0.0, 0.1, 0.2)),
    }

    def __init__(
        self,
        backbone: Backbone,
        ratio: float | Sequence[float] = 0.0625,
        every: int = 1,
        position: Position = "none",
        segments: int = 10,
        exchange: bool = True,
        drop_path: float = 0.0,
        drop_whole_batch: bool = False,
        mlp_adapter: MlpAdapter = "serial",
        train_final_norm: bool = False,
        modality: Literal["both", "visual", "audio"] = "both",
    ) -> None:
        super().__init__(backbone)
        _check(every, position, segments, drop_path, mlp_adapter)
        if modality not in ("both", *MODALITIES):
            raise unknown("modality of stg_cma", str(modality), ("both", *MODALITIES))
        exchange = exchange and modality == "both"
        blocks = blocks_of(backbone)
        places = stages(block.dim for block in blocks)
        hidden = hidden_widths([block.dim for block in blocks], [stage for stage, _ in places], ratio)
        self.embedding = (
            each_modality(lambda: TemporalEmbedding(segments, blocks[0].dim)) if position == "embedding" else None
        )

        apart = PER_POSITION_OF_THE_BATCH if drop_whole_batch else PER_POSITION

        def adapter(index: int) -> BlockAdapter:
            dim, heads, width = blocks[index].dim, blocks[index].heads, hidden[index]
            drop = drop_path * index / max(1, len(blocks) - 1)

            def temporal() -> TemporalAdapter:
                bias = TemporalBias(segments, heads) if position == "bias" else None
                return TemporalAdapter(dim, width, bias, drop, apart)

            along_time = temporal if places[index][1] % every == 0 else None
            beside = mlp_adapter == "parallel"
            return BlockAdapter(dim, width, temporal=along_time, exchange=exchange, beside_mlp=beside, drop=drop)

        self.blocks = nn.ModuleList(adapter(index) for index in range(len(blocks)))
        self.final_norm: nn.Module | None = None
        if train_final_norm:
            self.final_norm = trainable_final_norm(backbone)
        if modality != "both":
            keep_only(self, modality)

    def enter(self, streams: Streams) -> Streams:
        if self.embedding is None:
            return streams
        return {m: self.embedding[m](x) for m, x in streams.items()}

    def part(self, index: int) -> nn.Module:
        """All that `forward_block` does at a block, as a module that is called with (block, streams)."""
        return self.blocks[index]

    def forward_block(self, index: int, block: Block, streams: Streams) -> Streams:
        return self.part(index)(block, streams)

    def trainable_copies(self) -> Mapping[str, nn.Parameter]:
        return {} if self.final_norm is None else by_name("final_norm", self.final_norm)


def hidden_widths(dims: Sequence[int], stage: Sequence[int], ratio: float | Sequence[float]) -> list[int]:
    """The hidden width of each block.

    Raises:
        UserError: not one ratio for each stage, or a ratio that leaves no hidden channel.
    """
    count = stage[-1] + 1
    ratios = [ratio] * count if isinstance(ratio, int | float) else list(ratio)
    if len(ratios) != count:
        raise UserError(f"ratio={ratio} has {len(ratios)} values for {count} stages; give one number, or {count}.")
    for dim, place in zip(dims, stage, strict=True):
        if int(dim * ratios[place]) < 1:
            least = math.ceil(1e4 / dim) / 1e4
            raise UserError(
                f"ratio={ratios[place]} leaves no hidden channel at width {dim}; set it to {least} or more."
            )
    return [int(dim * ratios[place]) for dim, place in zip(dims, stage, strict=True)]


def _check(every: int, position: str, segments: int, drop_path: float, mlp_adapter: str) -> None:
    for name, choice, known in (("position", position, Position), ("mlp_adapter", mlp_adapter, MlpAdapter)):
        if choice not in get_args(known):
            raise unknown(name, str(choice), get_args(known))
    for name, value in (("every", every), ("segments", segments)):
        if value < 1:
            raise UserError(f"{name}={value} must be at least 1.")
    if not 0 <= drop_path < 1:
        raise UserError(f"drop_path={drop_path} must be at least 0 and below 1.")


def _same(x: Tensor) -> Tensor:
    return x
