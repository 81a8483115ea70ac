"""Adapters of both modalities beside a frozen block, in the two orders that DG-SCT's and AVMoE's authors have used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, get_args

import torch.nn.functional as F
from torch import Tensor, nn

from adapters.parts import PER_FRAME, Linear, blocks_in, drop_path, steps_of, through
from registry.errors import UserError, unknown
from registry.vocabulary import MODALITIES, PARTNER, Modality, Streams

if TYPE_CHECKING:
    from backbones.backbone import Backbone
    from backbones.block import Block, Step

Wiring = Literal["symmetric", "paired"]
Projection = Literal["none", "full", "resized"]
TokenMap = Literal["none", "linear", "bicubic"]

TOKEN_MAPS: dict[Projection, TokenMap] = {"none": "none", "full": "linear", "resized": "bicubic"}


class BesideBlock(nn.Module):
    """A frozen block with two adapters of each modality; at each of the two sites both look before either moves.

    `symmetric`: the first beside attention, the second beside the MLP, of both streams alike. `paired`, as released: so
    of the visual stream; audio runs through its whole block, to whose end its first adapter is added, later the second.

    Args:
        make: an adapter, called with (x, partner or None); None leaves the block plain, as where no partner moves.
        drop: rate of stochastic depth of the frozen branches, a draw for each frame.
    """

    def __init__(
        self, make: Callable[[Modality], nn.Module] | None, wiring: Wiring = "symmetric", drop: float = 0.0
    ) -> None:
        super().__init__()
        self.wiring, self.drop = wiring, drop
        modalities = () if make is None else MODALITIES
        self.first, self.second = (nn.ModuleDict({m: make(m) for m in modalities} if make else {}) for _ in range(2))

    def forward(self, step: Block | Step, streams: Streams) -> Streams:
        """{modality: (B, T, L, D)} -> {modality: (B, T, L, D)}"""
        late: tuple[Modality, ...] = MODALITIES if self.wiring == "symmetric" else ("visual",)
        beside = self._look(self.first, streams)
        streams = self._through(step, "attend", streams)
        if self.wiring == "paired":
            streams = self._through(step, "feed_forward", streams, ("audio",))
        streams = _added(streams, beside)
        beside = self._look(self.second, streams)
        return _added(self._through(step, "feed_forward", streams, late), beside)

    def _through(
        self, step: Block | Step, branch: str, streams: Streams, moved: Sequence[Modality] = MODALITIES
    ) -> Streams:
        """The streams `moved` through a frozen branch and its residual; the others as they are."""
        update = through(step, branch, {m: x for m, x in streams.items() if m in moved})
        update = {m: drop_path(u, self.drop, self.training, PER_FRAME) for m, u in update.items()}
        return {m: x + update[m] if m in update else x for m, x in streams.items()}

    def _look(self, adapters: nn.ModuleDict, streams: Streams) -> Streams:
        return {m: adapters[m](x, streams.get(PARTNER[m])) for m, x in streams.items() if m in adapters}


def _added(streams: Streams, beside: Streams) -> Streams:
    return {m: x + beside[m] if m in beside else x for m, x in streams.items()}


class PartnerProjection(nn.Module):
    """Brings the partner's tokens to the own stream's number and width: (B, T, L', D') -> (B, T, L, D).

    Args:
        dims: D and D'.
        tokens: L and L'.
        token_map: `linear`, a trained map over the token axis, before the channels'; `bicubic`, after it, of the square
            grid that tokens are taken to fill.

    Raises:
        UserError: `bicubic` of tokens that fill no square.
    """

    def __init__(self, dims: tuple[int, int], tokens: tuple[int, int], token_map: TokenMap = "linear") -> None:
        super().__init__()
        self.sides = tuple(round(count**0.5) for count in tokens)
        if token_map == "bicubic" and any(side**2 != count for side, count in zip(self.sides, tokens, strict=True)):
            raise UserError(
                f"projection='resized' is for square grids of tokens, and blocks have {tokens[0]} and {tokens[1]}; "
                "use projection='full' or 'none'."
            )
        self.tokens = Linear(tokens[1], tokens[0]) if token_map == "linear" else None
        self.channels = Linear(dims[1], dims[0])

    def forward(self, partner: Tensor) -> Tensor:
        if self.tokens is not None:
            return self.channels(self.tokens(partner.mT).mT)
        own, other = self.sides
        grid = self.channels(partner).flatten(0, 1).mT.unflatten(2, (other, other))
        return F.interpolate(grid, (own, own), mode="bicubic").flatten(2).mT.unflatten(0, partner.shape[:2])


def projections(backbone: Backbone, projection: Projection) -> Callable[[int, Modality], PartnerProjection | None]:
    """Makes the projection of the partner for an adapter: (index of the step, modality) -> module or nothing.

    Raises:
        UserError: an unknown choice.
    """
    if projection not in get_args(Projection):
        raise unknown("projection", str(projection), get_args(Projection))
    if projection == "none":
        return lambda index, modality: None
    counts, steps = {m: backbone.tokens(m) for m in MODALITIES}, steps_of(backbone)

    def make(index: int, modality: Modality) -> PartnerProjection:
        blocks, partner = blocks_in(steps[index]), PARTNER[modality]
        tokens = (counts[modality][index], counts[partner][index])
        return PartnerProjection((blocks[modality].dim, blocks[partner].dim), tokens, TOKEN_MAPS[projection])

    return make


def check_wiring(wiring: str) -> None:
    """Refuse an unknown one.

    Raises:
        UserError: naming the known ones.
    """
    if wiring not in get_args(Wiring):
        raise unknown("wiring", wiring, get_args(Wiring))


def rates(drop: float, blocks: int) -> list[float]:
    """Rates of stochastic depth that rise from 0 in the first block to `drop` in the last.

    Raises:
        UserError: a rate out of range.
    """
    if not 0 <= drop < 1:
        raise UserError(f"drop_path={drop} must be at least 0 and below 1.")
    return [drop * index / max(1, blocks - 1) for index in range(blocks)]
