"""CoLA: low-rank changes of the frozen projections, part of which the partner's summary writes anew for each frame.

Suharitdamrong, Alex, Awais, Atito: CoLA: Cross-Modal Low-rank Adaptation for Multimodal Downstream Tasks, ICML 2026
(arXiv 2604.03314). As classes `CMLinear` and `CMMergedLinear` of the authors' code compute it
(peterwisu/CoLA, commit d26d99d).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal, cast

import torch
from torch import Tensor, nn

from adapters.parts import Linear, blocks_in, places, steps_of, tower_of
from adapters.scheme import AdapterScheme
from adapters.unimodal.lora import LowRank
from registry import UserError, register_adapter
from registry.errors import unknown
from registry.space import Between, OneOf, SearchSpace
from registry.vocabulary import MODALITIES, PARTNER, Modality, Streams

if TYPE_CHECKING:
    from backbones.backbone import Backbone
    from backbones.block import Block, Step

Summary = Literal["pool", "class", "mean"]
SITES = ("qkv", "proj", "fc1", "fc2")
EPS = 1e-6
"""Of the layer norms, as released."""


class Core(nn.Module):
    """Φ: from the partner's summary to a square matrix between the two halves of a low-rank change."""

    def __init__(self, context: int, hidden: int, rank: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = Linear(context, hidden), Linear(hidden, rank * rank)
        self.norm, self.norm_core = nn.LayerNorm(hidden, EPS), nn.LayerNorm((rank, rank), EPS)
        self.activation = nn.GELU()
        self.rank = rank

    def forward(self, summary: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, rank, rank)"""
        code = self.fc2(self.norm(self.activation(self.fc1(summary))))
        return self.norm_core(code.unflatten(-1, (self.rank, self.rank)))


class CrossLowRank(nn.Module):
    """`s · up(Φ(c) down(x))`, added to a projection of x; zero at start."""

    def __init__(self, dim: int, out: int, rank: int, context: int, hidden: int, scale: float) -> None:
        super().__init__()
        self.inner = LowRank(dim, out, rank, alpha=rank)
        self.core = Core(context, hidden, rank)
        self.scale = nn.Parameter(torch.tensor([scale]))

    def forward(self, x: Tensor, summary: Tensor) -> Tensor:
        """x (…, D_in) with the frames of `summary` (B, T, C) outermost -> (…, D_out)"""
        code = self.inner.down(x)
        cores = self.core(summary).to(code.dtype).flatten(0, 1)
        frames = code.reshape(len(cores), -1, code.shape[-1])
        change = self.inner.up((frames @ cores.mT).reshape(code.shape))
        return change * self.scale.to(change.dtype)


class CrossModalLora(nn.Module):
    """What one frozen projection gains: LoRA, and a change that depends on the partner.

    Args:
        parts: projections that are fused in one, as queries, keys and values are; each has a change of its own.
        context: width of the partner's summary; None leaves LoRA alone.
    """

    def __init__(
        self,
        dim: int,
        out: int,
        *,
        parts: int,
        rank: int,
        alpha: float,
        context: int | None,
        hidden: int,
        scale: float,
    ) -> None:
        super().__init__()
        self.own = nn.ModuleList(LowRank(dim, out // parts, rank, alpha) for _ in range(parts))
        self.cross: nn.ModuleList | None = None
        if context is not None:
            self.cross = nn.ModuleList(
                CrossLowRank(dim, out // parts, rank, context, hidden, scale) for _ in range(parts)
            )

    def forward(self, x: Tensor, summary: Tensor | None = None) -> Tensor:
        """x (…, D_in), the partner's summary (B, T, C) or nothing -> (…, D_out)"""
        if self.cross is None or summary is None:
            return _side_by_side([own(x) for own in self.own])
        return _side_by_side([own(x) + cross(x, summary) for own, cross in zip(self.own, self.cross, strict=True)])


class ColaBlock(nn.Module):
    """A frozen block whose projections change; summaries are read three times, each before either stream moves.

    Args:
        make: what a projection of a modality gains, from that and the projection's name.
        summary: of each modality `class`, the first token, or `mean`, over all of them.
    """

    def __init__(
        self, make: Mapping[Modality, Callable[[str], CrossModalLora]], summary: Mapping[Modality, str]
    ) -> None:
        super().__init__()
        self.summary = dict(summary)
        self.deltas = nn.ModuleDict({m: nn.ModuleDict({site: of(site) for site in SITES}) for m, of in make.items()})

    def forward(self, step: Block | Step, streams: Streams) -> Streams:
        """{modality: (B, T, L, D)} -> {modality: (B, T, L, D)}"""
        blocks = blocks_in(step)
        delta = self.bind(streams, "qkv")
        mixed = {m: blocks[m].mix(x, delta=delta[m]) for m, x in streams.items()}
        delta = self.bind(mixed, "proj")
        streams = {m: x + blocks[m].project(mixed[m], delta=delta[m]) for m, x in streams.items()}
        delta = self.bind(streams, "fc1", "fc2")
        return {m: x + blocks[m].feed_forward(x, delta=delta[m]) for m, x in streams.items()}

    def bind(self, streams: Streams, *sites: str) -> dict[str, dict[str, Callable[[Tensor], Tensor]]]:
        """For each modality, the changes of some sites, bound to what its partner's tokens sum up to now."""
        summaries = {m: x[..., 0, :] if self.summary[m] == "class" else x.mean(dim=-2) for m, x in streams.items()}
        found = {}
        for m in streams:
            deltas = cast(nn.ModuleDict, self.deltas[m])
            found[m] = {site: partial(deltas[site], summary=summaries.get(PARTNER[m])) for site in sites}
        return cast("dict[str, dict[str, Callable[[Tensor], Tensor]]]", found)


@register_adapter("cola", version=1)
class Cola(AdapterScheme):
    """LoRA on every frozen projection of a block, and beside it a change that the partner's summary decides.

    The defaults are the published ones for AVE; for AVS `cola(reduction=2, every=2)`. A stream whose partner is absent
    has LoRA alone, and so has a block without a partner between two backbones.

    Args:
        backbone: read for the widths of its blocks' projections, and for how it pools.
        rank: r, inner width of each change.
        alpha: LoRA's changes are scaled by alpha / rank.
        cross_scale: what the trained scales of the partner's changes start at.
        reduction: ρ, by which the hidden width of the small network that reads a summary is below the summary's.
        every: the last of every so many blocks of a stage reads the partner; the others have LoRA alone.
        summary: what sums a stream up: its `class` token, the `mean` of its tokens, or (`pool`) the class token where
            the backbone pools by it and the mean elsewhere, as published.

    Raises:
        UserError: an option out of range, or a class token that the backbone does not have.
    """

    across_widths: ClassVar[bool] = True

    search_space: ClassVar[SearchSpace] = {
        **AdapterScheme.search_space,
        "rank": OneOf((4, 8, 16, 32)),
        "cross_scale": Between(0.01, 1.0, log=True),
    }

    def __init__(
        self,
        backbone: Backbone,
        rank: int = 16,
        alpha: float = 8.0,
        cross_scale: float = 0.1,
        reduction: float = 16,
        every: int = 1,
        summary: Summary = "pool",
    ) -> None:
        super().__init__(backbone)
        for name, value in (("rank", rank), ("every", every), ("reduction", reduction)):
            if value < 1:
                raise UserError(f"cola {name}={value} must be at least 1.")
        if summary not in ("pool", "class", "mean"):
            raise unknown("summary of cola", str(summary), ("pool", "class", "mean"))
        with_class = {m: tower_of(backbone, m).has_class_token for m in MODALITIES}
        if summary == "class" and not all(with_class.values()):
            raise UserError("summary='class', but this backbone has no class token to pool by; use summary='mean'.")
        chosen = {m: "class" if summary != "mean" and with_class[m] else "mean" for m in MODALITIES}

        def gain(blocks: Mapping[Modality, Block], m: Modality, place: int) -> Callable[[str], CrossModalLora]:
            partner = blocks.get(PARTNER[m])
            context = partner.dim if partner is not None and (place + 1) % every == 0 else None
            hidden = int((context or blocks[m].dim) / reduction)
            if hidden < 1:
                raise UserError(f"cola reduction={reduction} leaves no hidden channel at width {blocks[m].dim}.")
            fixed = {"rank": rank, "alpha": alpha, "context": context, "hidden": hidden, "scale": cross_scale}
            return lambda site: CrossModalLora(*blocks[m].sites[site], parts=3 if site == "qkv" else 1, **fixed)  # type: ignore[arg-type]

        steps = steps_of(backbone)
        self.blocks = nn.ModuleList(
            ColaBlock({m: gain(blocks_in(step), m, place) for m, (_, place) in where.items()}, chosen)
            for step, where in zip(steps, places(steps), strict=True)
        )

    def part(self, index: int) -> nn.Module:
        """All that `forward_block` does at a step, as a module that is called with (step, streams)."""
        return self.blocks[index]

    def forward_block(self, index: int, step: Block | Step, streams: Streams) -> Streams:
        return self.part(index)(step, streams)


def _side_by_side(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=-1)
