"""LAVISH: adapters beside each branch, which read the partner through a few latent tokens.

Lin, Sung, Lei, Bansal, Bertasius: Vision Transformers are Parameter-Efficient Audio-Visual Learners, CVPR 2023
(arXiv 2212.07983). As class `VisualAdapter` of the authors' code computes it (GenjiB/LAVISH, commit 97722b0).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor, nn

from adapters.parts import (
    PER_FRAME,
    Gate,
    GroupedLinear,
    TokenBatchNorm,
    blocks_in,
    cross_attend,
    drop_path,
    steps_of,
    through,
)
from adapters.scheme import AdapterScheme
from adapters.trainable_copies import TrainableCopies, norms
from registry import UserError, register_adapter
from registry.errors import unknown
from registry.space import OneOf, SearchSpace
from registry.vocabulary import PARTNER, Modality, Streams

if TYPE_CHECKING:
    from backbones.backbone import Backbone
    from backbones.block import Block, Step

LatentStart = Literal["uniform", "zeros"]


class LatentReader(nn.Module):
    """Gathers the partner into latent tokens and lets every token of x read them, through a gate."""

    def __init__(self, dim: int, latents: int, start: LatentStart) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.rand(latents, dim) if start == "uniform" else torch.zeros(latents, dim))
        self.gate = Gate()

    def forward(self, x: Tensor, partner: Tensor) -> Tensor:
        """x (B, T, L, D), partner (B, T, M, D) -> (B, T, L, D)"""
        return x + self.gate(self.read(x, self.latents.to(x.dtype) + self.gather(partner)))

    def gather(self, partner: Tensor) -> Tensor:
        """What the latents take from the partner: (B, T, M, D) -> (B, T, latents, D)"""
        return cross_attend(self.latents, partner)

    def read(self, x: Tensor, latents: Tensor) -> Tensor:
        """What each token takes from the latents: (B, T, L, D), (B, T, latents, D) -> (B, T, L, D)"""
        return cross_attend(x, latents)


class LatentAdapter(nn.Module):
    """A grouped bottleneck on a residual stream that has read its partner.

    Steps 1 to 6 of the method: gather, read, norm, down, up, norm and gate. Without latents, or without a partner,
    only the bottleneck remains.
    """

    def __init__(
        self,
        dim: int,
        *,
        latents: int = 2,
        latent_start: LatentStart = "uniform",
        reduction: int = 8,
        groups: int = 2,
        batch_norm: bool = True,
        norm_before: bool = True,
        norm_after: bool = True,
        activation: bool = True,
        gate: bool = True,
        gate_first: bool = False,
    ) -> None:
        super().__init__()
        hidden = _hidden(dim, reduction, groups)
        self.reader = LatentReader(dim, latents, latent_start) if latents else None
        tail = [("norm_after", nn.LayerNorm(dim) if norm_after else None), ("gate", Gate() if gate else None)]
        steps = [
            ("norm_before", nn.LayerNorm(dim) if norm_before else None),
            ("down", GroupedLinear(dim, hidden, groups)),
            ("batch_norm_down", TokenBatchNorm(hidden) if batch_norm else None),
            ("activation", nn.ReLU() if activation else None),
            ("up", GroupedLinear(hidden, dim, groups)),
            ("batch_norm_up", TokenBatchNorm(dim) if batch_norm else None),
            *(reversed(tail) if gate_first else tail),
        ]
        self.bottleneck = nn.Sequential(OrderedDict((name, step) for name, step in steps if step is not None))

    def forward(self, x: Tensor, partner: Tensor | None) -> Tensor:
        """x (B, T, L, D), partner (B, T, M, D) -> (B, T, L, D)"""
        read = x if self.reader is None or partner is None else self.reader(x, partner)
        return self.bottleneck(read).to(x.dtype)


class BesideBranch(nn.Module):
    """One frozen branch with an adapter of each modality beside it; both look before either stream moves.

    Args:
        blocks: those that the branch is of, by modality.
        drop: rate of stochastic depth of the frozen branch, a draw for each frame.
    """

    def __init__(
        self, blocks: Mapping[Modality, Block], make: Callable[[Modality, int], LatentAdapter], drop: float
    ) -> None:
        super().__init__()
        self.drop = drop
        self.adapters = nn.ModuleDict({modality: make(modality, block.dim) for modality, block in blocks.items()})

    def forward(self, step: Block | Step, branch: str, streams: Streams) -> Streams:
        """{modality: (B, T, L, D)} -> {modality: (B, T, L, D)}"""
        update = through(step, branch, streams)
        update = {m: drop_path(u, self.drop, self.training, PER_FRAME) for m, u in update.items()}
        return {m: x + update[m] + self.adapters[m](x, streams.get(PARTNER[m])) for m, x in streams.items()}


@register_adapter("lavish", version=1)
class Lavish(AdapterScheme):
    """Adapters beside attention and MLP that read the partner modality through a few latent tokens.

    The defaults are the published ones for AVE on Swin v2. The others:

    - AVE on ViT: `lavish(latents=8, groups=4, batch_norm=False, norm_before=False, norm_after=False,
      train_norms=True)`
    - AVQA: `lavish(latents=64, latent_start='zeros', groups=4, batch_norm=False, train_norms=True)`; latents that
      start equal stay equal, so there 64 act as one
    - AVS: `lavish(latents=16, latent_start='zeros', reduction=4, batch_norm=False, norm_before=False,
      gate_first=True, gate_audio=False)`, which does not start as the identity
    - no exchange: `lavish(exchange=False)`; for AVE the bottleneck then also had `activation=False`

    Args:
        backbone: read for the widths of its blocks.
        latents: latent tokens of each adapter.
        latent_start: how they start, `"uniform"` in 0..1 or `"zeros"`.
        reduction: hidden width is the block's width divided by this, rounded down.
        groups: groups of channels that the bottleneck keeps apart.
        batch_norm: batch norm after `down` and after `up`.
        norm_before: layer norm before the bottleneck.
        norm_after: layer norm behind it.
        activation: ReLU inside the bottleneck.
        exchange: whether adapters read the partner; without it there are no latents.
        gate_audio: whether audio adapters have an output gate, as visual ones always do.
        gate_first: the output gate before `norm_after` instead of behind it.
        drop_path: stochastic depth of the frozen branches in training, rising from 0 in the first block to this in the
            last. The authors' Swin v2 had 0.1, their library's default; 0 keeps a frozen backbone deterministic.
        train_norms: train scale and shift of the backbone's norms too, as one copy for both modalities, as for AVQA and
            on ViT.

    Raises:
        UserError: an option out of range, or a hidden width that the groups do not divide.
    """

    search_space: ClassVar[SearchSpace] = {
        **AdapterScheme.search_space,
        "latents": OneOf((2, 4, 8, 16, 32)),
        "reduction": OneOf((2, 4, 8, 16)),
        "drop_path": OneOf((0.0, 0.1, 0.2)),
    }

    def __init__(
        self,
        backbone: Backbone,
        latents: int = 2,
        latent_start: LatentStart = "uniform",
        reduction: int = 8,
        groups: int = 2,
        batch_norm: bool = True,
        norm_before: bool = True,
        norm_after: bool = True,
        activation: bool = True,
        exchange: bool = True,
        gate_audio: bool = True,
        gate_first: bool = False,
        drop_path: float = 0.0,
        train_norms: bool = False,
    ) -> None:
        super().__init__(backbone, across_widths=not exchange)
        if latents < 1:
            raise UserError(f"lavish latents={latents} must be at least 1; to switch reading off, set exchange=False.")
        if latent_start not in ("uniform", "zeros"):
            raise unknown("latent_start of lavish", str(latent_start), ("uniform", "zeros"))
        if not 0 <= drop_path < 1:
            raise UserError(f"lavish drop_path={drop_path} must be at least 0 and below 1.")
        steps = [blocks_in(step) for step in steps_of(backbone)]

        def beside(index: int) -> BesideBranch:
            return BesideBranch(
                steps[index],
                lambda modality, dim: LatentAdapter(
                    dim,
                    latents=latents if exchange and len(steps[index]) == 2 else 0,
                    latent_start=latent_start,
                    reduction=reduction,
                    groups=groups,
                    batch_norm=batch_norm,
                    norm_before=norm_before,
                    norm_after=norm_after,
                    activation=activation,
                    gate=gate_audio or modality == "visual",
                    gate_first=gate_first,
                ),
                drop_path * index / max(1, len(steps) - 1),
            )

        self.beside_attention = nn.ModuleList(beside(index) for index in range(len(steps)))
        self.beside_mlp = nn.ModuleList(beside(index) for index in range(len(steps)))

        self.norms = TrainableCopies(backbone, norms, "norms with parameters") if train_norms else None

    def trainable_copies(self) -> Mapping[str, nn.Parameter]:
        return {} if self.norms is None else self.norms.by_name()

    def forward_block(self, index: int, step: Block | Step, streams: Streams) -> Streams:
        streams = self.beside_attention[index](step, "attend", streams)
        return self.beside_mlp[index](step, "feed_forward", streams)


def _hidden(dim: int, reduction: int, groups: int) -> int:
    """The hidden width, or a UserError that names reductions which fit."""

    def fits(candidate: int) -> bool:
        return dim // candidate > 0 and dim % groups == 0 and (dim // candidate) % groups == 0

    if reduction >= 1 and groups >= 1 and fits(reduction):
        return dim // reduction
    fitting = [str(r) for r in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32) if groups >= 1 and fits(r)]
    mend = f"reduction {', '.join(fitting)} would do" if fitting else "use groups=1"
    raise UserError(
        f"reduction={reduction}, groups={groups} do not fit width {dim}: "
        f"the groups must divide {dim} and {dim} // reduction; {mend}."
    )
