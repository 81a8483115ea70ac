"""Parts that several schemes are built of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backbones.block import Step
from backbones.kernels.attention import cross_attend
from backbones.kernels.linear import Linear
from registry.errors import UserError
from registry.vocabulary import MODALITIES, PARTNER, Modality, Streams

if TYPE_CHECKING:
    from backbones.backbone import Backbone
    from backbones.block import Block

__all__ = [
    "PER_FRAME",
    "PER_POSITION",
    "PER_POSITION_OF_THE_BATCH",
    "Bottleneck",
    "Gate",
    "GroupedLinear",
    "Linear",
    "TokenBatchNorm",
    "blocks_in",
    "cross_attend",
    "drop_path",
    "each_block",
    "each_modality",
    "entered",
    "keep_only",
    "places",
    "refuse_unlike_widths",
    "stage_ends",
    "stages",
    "steps_of",
    "through",
    "together",
    "tower_of",
]


def each_modality(make: Callable[[], nn.Module]) -> nn.ModuleDict:
    """One module for each modality."""
    return nn.ModuleDict({modality: make() for modality in MODALITIES})


def keep_only(module: nn.Module, modality: Modality) -> None:
    """Take the other modality's parts out of everything inside that was made by `each_modality`."""
    for inner in list(module.modules()):
        if isinstance(inner, nn.ModuleDict) and PARTNER[modality] in inner and set(inner) <= set(MODALITIES):
            del inner[PARTNER[modality]]


def steps_of(backbone: Backbone) -> list[Block | Step]:
    """What streams pass one after the other: the blocks of a backbone, or where there are two, pairs of theirs."""
    return list(getattr(backbone, "steps", None) or backbone.blocks)


def tower_of(backbone: Backbone, modality: Modality | None) -> Backbone:
    """The backbone of a modality: that of both, unless there are two."""
    towers: Any = getattr(backbone, "towers", None)
    return backbone if towers is None else towers[modality]


def blocks_in(step: Block | Step) -> Mapping[Modality, Block]:
    """The block of each modality that moves in a step; one and the same on a single backbone."""
    return step.blocks if isinstance(step, Step) else dict.fromkeys(MODALITIES, step)


def each_block(step: Block | Step, make: Callable[[Block], nn.Module]) -> nn.ModuleDict:
    """One module for each modality that moves in a step, made for its block."""
    return nn.ModuleDict({m: make(block) for m, block in blocks_in(step).items()})


def entered(step: Block | Step, streams: Streams) -> Streams:
    """Streams at the width and resolution of their blocks: {m: (B, T, L', D')} -> {m: (B, T, L, D)}."""
    blocks = blocks_in(step)
    return {m: blocks[m].enter(x) for m, x in streams.items()}


def through(step: Block | Step, branch: str, streams: Streams) -> Streams:
    """Every stream through a branch of its block, `together` where they share it: {m: (B, T, L, D)} -> same."""
    blocks = blocks_in(step)
    visual, audio = (blocks.get(m) for m in MODALITIES)
    if visual is audio:
        return together(getattr(visual, branch), streams)
    return {m: getattr(blocks[m], branch)(x) for m, x in streams.items()}


def together(branch: Callable[[Tensor], Tensor], streams: Streams) -> Streams:
    """Every stream through the same frozen branch, as one batch where shapes agree: {m: (B, T, L, D)} -> same.

    A branch treats clips one by one, so this saves half of its calls and changes nothing else.
    """
    tokens = list(streams.values())
    if len({(x.shape, x.dtype) for x in tokens}) < len(tokens):
        return dict(zip(streams, branch(torch.cat(tokens)).chunk(len(tokens)), strict=True))
    return {m: branch(x) for m, x in streams.items()}


def stages(dims: Iterable[int]) -> list[tuple[int, int]]:
    """(stage, place within that stage) of every block, both from 0; a stage begins where the width changes."""
    found: list[tuple[int, int]] = []
    width = None
    for dim in dims:
        stage, place = found[-1] if found else (-1, 0)
        found.append((stage, place + 1) if dim == width else (stage + 1, 0))
        width = dim
    return found


def places(steps: Sequence[Block | Step]) -> list[dict[Modality, tuple[int, int]]]:
    """(stage, place within that stage) of the block of each modality in every step, see `stages`."""
    found: list[dict[Modality, tuple[int, int]]] = [{} for _ in steps]
    for m in MODALITIES:
        walked = [(i, blocks_in(step)[m].dim) for i, step in enumerate(steps) if m in blocks_in(step)]
        for (i, _), place in zip(walked, stages(dim for _, dim in walked), strict=True):
            found[i][m] = place
    return found


def stage_ends(steps: Sequence[Block | Step]) -> dict[Modality, frozenset[int]]:
    """By modality the steps, by number, that end with the last block of a stage; of every stage but the last one."""
    ends: dict[Modality, frozenset[int]] = {}
    for m in MODALITIES:
        walked = [(i, place[m][0]) for i, place in enumerate(places(steps)) if m in place]
        ends[m] = frozenset(i for (i, stage), (_, following) in pairwise(walked) if stage != following)
    return ends


def refuse_unlike_widths(backbone: Backbone) -> None:
    """Refuse two backbones whose tokens differ in width where they meet.

    Raises:
        UserError: naming the first step where they do.
    """
    for index, step in enumerate(steps_of(backbone)):
        widths = {m: block.dim for m, block in blocks_in(step).items()}
        if len(set(widths.values())) > 1:
            raise UserError(
                f"this adapter reads a partner of its own width, and step {index} has {widths['visual']} for sight and "
                f"{widths['audio']} for sound; choose dg_sct(projection='full') or towers of one width."
            )


PER_POSITION, PER_FRAME, PER_POSITION_OF_THE_BATCH = (0, 2), (0, 1), (2,)
"""Axes of (B, T, L, D) along which stochastic depth draws anew; along the others it keeps or drops together."""


def drop_path(update: Tensor, rate: float, training: bool, apart: tuple[int, ...] = PER_POSITION) -> Tensor:
    """Stochastic depth, one draw for each index of the axes `apart`: (B, T, L, D) -> same, as it was in expectation."""
    if not training or rate == 0.0:
        return update
    draws = [size if axis in apart else 1 for axis, size in enumerate(update.shape)]
    kept = update.new_empty(draws).bernoulli_(1.0 - rate)
    return update * kept / (1.0 - rate)


class Bottleneck(nn.Module):
    """`up(GELU(down(x)))`, zero at start: (…, D) -> (…, D).

    Initialised as in STG-CMA: `down` truncated normal of deviation 0.02, everything else zero.

    Args:
        dim: D, the width of tokens.
        hidden: the width between the two maps.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.down = Linear(dim, hidden)
        self.up = Linear(hidden, dim)
        nn.init.trunc_normal_(self.down.weight, std=0.02)
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zero)

    def code(self, x: Tensor) -> Tensor:
        """The hidden code: (…, D) -> (…, hidden)."""
        return F.gelu(self.down(x))

    def forward(self, x: Tensor) -> Tensor:
        """What is to be added to a stream: (…, D) -> (…, D)."""
        return self.up(self.code(x))


class Gate(nn.Module):
    """A learned scalar that starts at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight.to(x.dtype)


class GroupedLinear(nn.Module):
    """A linear map without bias inside contiguous groups of channels: (…, D) -> (…, D').

    The same map, weight layout (D', D / groups) and initialisation as a grouped 1 x 1 convolution.

    Raises:
        UserError: a width that the groups do not divide.
    """

    def __init__(self, dim: int, out: int, groups: int) -> None:
        super().__init__()
        if groups < 1 or dim % groups or out % groups:
            raise UserError(
                f"groups={groups} does not divide the widths {dim} and {out}; use groups=1 or other widths."
            )
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(out, dim // groups))
        bound = (dim // groups) ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        # Two dimensions first: a linear map of strided (B, T, L, D / groups) would copy its weight for each frame.
        parts = x.reshape(-1, x.shape[-1]).chunk(self.groups, dim=-1)
        mapped = [F.linear(part, weight) for part, weight in zip(parts, self.weight.chunk(self.groups), strict=True)]
        return torch.cat(mapped, dim=-1).unflatten(0, x.shape[:-1])


class TokenBatchNorm(nn.BatchNorm1d):
    """Batch norm of channels over every token of every frame: (…, D) -> (…, D).

    One-dimensional on purpose: torch's BatchNorm2d over (N, D, L, 1) has a wrong backward on CPU for such strides.
    """

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.reshape(-1, x.shape[-1])).reshape(x.shape)
