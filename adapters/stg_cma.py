"""STG-CMA: bottlenecks after each branch that exchange their hidden codes, and one over attention along time.

Towards Efficient Audio-Visual Learners via Empowering Pre-trained Vision Transformers with Cross-Modal Adaptation,
CVPR Workshops 2024. Where the paper leaves a choice, as the authors' code makes it (kaiw7/STG-CMA, commit b09534d).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal, cast, get_args

from torch import Tensor, nn

from adapters.parts import (
    PER_FRAME,
    PER_POSITION,
    PER_POSITION_OF_THE_BATCH,
    Bottleneck,
    Gate,
    blocks_in,
    cross_attend,
    drop_path,
    each_block,
    keep_only,
    places,
    steps_of,
    through,
)
from adapters.scheme import AdapterScheme
from adapters.temporal import TemporalAdapter, TemporalBias, TemporalEmbedding
from adapters.trainable_copies import by_name, trainable_final_norm
from registry import UserError, register_adapter
from registry.errors import unknown
from registry.space import OneOf, SearchSpace
from registry.vocabulary import MODALITIES, PARTNER, Modality, Streams

if TYPE_CHECKING:
    from backbones.backbone import Backbone
    from backbones.block import Block, Step

Ratio = float | Sequence[float]
Position = Literal["none", "embedding", "bias"]
MlpAdapter = Literal["serial", "parallel"]

PARALLEL_SCALE = 0.5
"""Of the adapter beside the MLP in the authors' unimodal Swin."""


def exchange_codes(codes: Streams, gates: nn.ModuleDict) -> Streams:
    """Each modality's codes attend to the partner's, both as they were: {m: (…, L, D)} -> same."""
    return {m: code + gates[m](cross_attend(code, codes[PARTNER[m]])) for m, code in codes.items()}


class CrossModalAdapter(nn.Module):
    """One bottleneck per modality; inside it, hidden codes attend to the partner's hidden codes.

    Args:
        hidden: width of the codes, by modality.
    """

    def __init__(self, step: Block | Step, hidden: Mapping[Modality, int]) -> None:
        super().__init__()
        self.bottleneck = nn.ModuleDict({m: Bottleneck(block.dim, hidden[m]) for m, block in blocks_in(step).items()})

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
    """Everything that STG-CMA adds to one step; the gates are shared by both exchanges.

    Args:
        hidden: width of the codes, by modality.
        temporal: by modality, what makes the adapter along time of a block that has one.
        beside_mlp: whether the adapter of the MLP reads what the MLP reads, at half scale, instead of what it puts out.
        drop: rate of stochastic depth of an adapter beside the MLP, a draw for each frame.
    """

    def __init__(
        self,
        step: Block | Step,
        hidden: Mapping[Modality, int],
        *,
        temporal: Mapping[Modality, Callable[[], TemporalAdapter]],
        exchange: bool,
        beside_mlp: bool,
        drop: float,
    ) -> None:
        super().__init__()
        self.beside_mlp, self.drop = beside_mlp, drop
        self.temporal = nn.ModuleDict({m: make() for m, make in temporal.items()})
        self.spatial = CrossModalAdapter(step, hidden)
        self.joint = CrossModalAdapter(step, hidden)
        self.gates = each_block(step, lambda block: Gate()) if exchange and len(blocks_in(step)) == 2 else None

    def forward(self, step: Block | Step, streams: Streams) -> Streams:
        """{modality: (B, T, L, D)} -> {modality: (B, T, L, D)}"""
        return self.through_mlp(step, self.over_space(step, self.along_time(step, streams)))

    def along_time(self, step: Block | Step, streams: Streams) -> Streams:
        """The temporal step of blocks that have one: {modality: (B, T, L, D)} -> same"""
        moved = {m: x for m, x in streams.items() if m in self.temporal}
        bias = {m: cast(TemporalAdapter, self.temporal[m]).attention_bias(x) for m, x in moved.items()}
        if any(b is not None for b in bias.values()):  # each modality learns its own
            update = {m: blocks_in(step)[m].attend_over_time(x, bias=bias[m]) for m, x in moved.items()}
        else:
            update = through(step, "attend_over_time", moved)
        return {m: x + self.temporal[m](update[m]) if m in update else x for m, x in streams.items()}

    def over_space(self, step: Block | Step, streams: Streams) -> Streams:
        """The spatial step, exchange within the block's groups: {modality: (B, T, L, D)} -> same

        Windows of two backbones show different places, so between them it is over the whole picture.
        """
        update = through(step, "attend", streams)
        visual, audio = (blocks_in(step).get(m) for m in MODALITIES)
        adapted = self.spatial(update, self.gates, visual if visual is audio else None)
        return {m: x + update[m] + adapted[m] for m, x in streams.items()}

    def through_mlp(self, step: Block | Step, streams: Streams) -> Streams:
        """The joint step, exchange over the whole picture: {modality: (B, T, L, D)} -> same"""
        update = through(step, "feed_forward", streams)
        adapted = self._beside(step, streams) if self.beside_mlp else self.joint(update, self.gates)
        return {m: x + update[m] + adapted[m] for m, x in streams.items()}

    def _beside(self, step: Block | Step, streams: Streams) -> Streams:
        adapted = self.joint({m: blocks_in(step)[m].mlp_input(x) for m, x in streams.items()}, self.gates)
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
        ratio: hidden width as a share of the block's width, rounded down; one number, one for each stage, or one of
            these for each modality. Codes are exchanged between two backbones where they come out equally wide.
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

    across_widths: ClassVar[bool] = True

    search_space: ClassVar[SearchSpace] = {
        **AdapterScheme.search_space,
        "ratio": OneOf((0.03125, 0.0625, 0.125, 0.25, 0.5)),
        "drop_path": OneOf((0.0, 0.1, 0.2)),
    }

    def __init__(
        self,
        backbone: Backbone,
        ratio: Ratio | Mapping[str, Ratio] = 0.0625,
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
        steps = steps_of(backbone)
        where, hidden = places(steps), hidden_by_modality(steps, ratio)
        if exchange:
            _refuse_unlike_codes(hidden)
        self.embedding: nn.ModuleDict | None = None
        if position == "embedding":
            first = {
                m: next(block.dim for step in steps for n, block in blocks_in(step).items() if n == m)
                for m in MODALITIES
            }
            self.embedding = nn.ModuleDict({m: TemporalEmbedding(segments, dim) for m, dim in first.items()})

        apart = PER_POSITION_OF_THE_BATCH if drop_whole_batch else PER_POSITION

        def adapter(index: int) -> BlockAdapter:
            drop = drop_path * index / max(1, len(steps) - 1)

            def temporal(block: Block, width: int) -> TemporalAdapter:
                bias = TemporalBias(segments, block.heads) if position == "bias" else None
                return TemporalAdapter(block.dim, width, bias, drop, apart)

            along_time = {
                m: partial(temporal, block, hidden[index][m])
                for m, block in blocks_in(steps[index]).items()
                if where[index][m][1] % every == 0
            }
            beside = mlp_adapter == "parallel"
            return BlockAdapter(
                steps[index], hidden[index], temporal=along_time, exchange=exchange, beside_mlp=beside, drop=drop
            )

        self.blocks = nn.ModuleList(adapter(index) for index in range(len(steps)))
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
        """All that `forward_block` does at a step, as a module that is called with (step, streams)."""
        return self.blocks[index]

    def forward_block(self, index: int, step: Block | Step, streams: Streams) -> Streams:
        return self.part(index)(step, streams)

    def trainable_copies(self) -> Mapping[str, nn.Parameter]:
        return {} if self.final_norm is None else by_name("final_norm", self.final_norm)


def hidden_by_modality(steps: Sequence[Block | Step], ratio: Ratio | Mapping[str, Ratio]) -> list[dict[Modality, int]]:
    """The hidden width of the block of each modality in every step.

    Raises:
        UserError: a ratio for something else than the two modalities, or one that `hidden_widths` refuses.
    """
    by_modality = ratio if isinstance(ratio, Mapping) else dict.fromkeys(MODALITIES, ratio)
    if set(by_modality) != set(MODALITIES):
        raise UserError(
            f"ratio={ratio} names {', '.join(by_modality) or 'nothing'}; give one for visual and for audio."
        )
    where = places(steps)
    found: list[dict[Modality, int]] = [{} for _ in steps]
    for m in MODALITIES:
        walked = [(i, blocks_in(step)[m].dim) for i, step in enumerate(steps) if m in blocks_in(step)]
        widths = hidden_widths([dim for _, dim in walked], [where[i][m][0] for i, _ in walked], by_modality[m])
        for (i, _), width in zip(walked, widths, strict=True):
            found[i][m] = width
    return found


def _refuse_unlike_codes(hidden: Sequence[Mapping[Modality, int]]) -> None:
    for index, widths in enumerate(hidden):
        if len(set(widths.values())) > 1:
            raise UserError(
                f"codes of step {index} are {widths['visual']} wide for sight and {widths['audio']} for sound and "
                "cannot be exchanged; give stg_cma a ratio by modality that makes them equal, as in "
                "ratio={'visual': 0.0625, 'audio': 0.125}, or exchange=False."
            )


def hidden_widths(dims: Sequence[int], stage: Sequence[int], ratio: Ratio) -> list[int]:
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
