"""DG-SCT: LAVISH's adapters whose stream is re-weighted by its partner, channel by channel and token by token.

Duan, Xia, Zhou, Tang, Zhu, Zhao: Cross-modal Prompts: Adapting Large Pre-trained Models for Audio-Visual Downstream
Tasks, NeurIPS 2023 (arXiv 2311.05152). As class `VisualAdapter` of the authors' code computes it
(haoyi-duan/DG-SCT, commit 211fc57).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import torch.nn.functional as F
from torch import Tensor, nn

from adapters.beside import BesideBlock, PartnerProjection, Projection, Wiring, check_wiring, projections, rates
from adapters.lavish import LatentAdapter, LatentStart
from adapters.parts import Linear, blocks_in, steps_of
from adapters.scheme import AdapterScheme
from registry import UserError, register_adapter
from registry.errors import unknown
from registry.space import OneOf, SearchSpace
from registry.vocabulary import Features, Modality, Streams

if TYPE_CHECKING:
    from backbones.backbone import Backbone
    from backbones.block import Block, Step

Pooling = Literal["backbone", "attention"]


class Guide(nn.Module):
    """Weights for the channels and the tokens of a stream, from the mean token of its partner.

    Args:
        channel_share: α, how much the weights of channels count.
        token_share: β, the same of tokens.
    """

    def __init__(self, dim: int, channel_share: float = 0.3, token_share: float = 0.05) -> None:
        super().__init__()
        self.channel_share, self.token_share = channel_share, token_share
        inner = dim // 2
        self.channel_partner, self.channel_own = Linear(dim, dim), Linear(dim, dim)
        self.channel_code, self.channel_out = Linear(dim, inner), Linear(inner, dim)
        self.token_partner, self.token_own = Linear(dim, inner), Linear(dim, inner)
        self.token_out = Linear(inner, 1)

    def forward(self, x: Tensor, partner: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, T, L, D), partner (B, T, M, D) -> x re-weighted, and logits of its tokens (B, T, L, 1)."""
        mean = partner.mean(dim=-2)
        channels = self.channels(self.query(x, mean)).unsqueeze(-2)
        logits = self.token_logits(x * (1 + channels), mean)
        rest = 1 - self.channel_share
        return x * (self.channel_share * channels + self.token_share * logits.sigmoid() + rest), logits

    def query(self, x: Tensor, mean: Tensor) -> Tensor:
        """What channels are weighed by: x (B, T, L, D), the partner's mean (B, T, D) -> (B, T, D)"""
        # The mean over tokens of a product with one factor for all of them.
        return F.relu(self.channel_own(x)).mean(dim=-2) * F.relu(self.channel_partner(mean))

    def channels(self, query: Tensor) -> Tensor:
        """κ: (B, T, D) -> (B, T, D) in 0..1"""
        return self.channel_out(F.relu(self.channel_code(query))).sigmoid()

    def token_logits(self, x: Tensor, mean: Tensor) -> Tensor:
        """ℓ: x (B, T, L, D), the partner's mean (B, T, D) -> (B, T, L, 1)"""
        return self.token_out(F.relu(self.token_own(x)) * F.relu(self.token_partner(mean)).unsqueeze(-2))


def token_attention(logits: Tensor) -> Tensor:
    """ρ, what the tokens of a picture are pooled by: (B, T, L, 1) -> (B, T, L, 1), each picture's sum one."""
    return logits.float().tanh().softmax(dim=-2)


class GuidedAdapter(LatentAdapter):
    """LAVISH's adapter with a guide between its reading and its bottleneck; without a partner only the bottleneck.

    Args:
        guide: of the width of x.
        projection: what brings the partner to x's tokens and width; None takes it as it is.
        options: those of `LatentAdapter`.
    """

    remembers: bool
    """Whether the logits of tokens are kept until a scheme leaves."""
    logits: Tensor | None
    """(B, T, L, 1)"""

    def __init__(
        self,
        dim: int,
        guide: Guide,
        projection: PartnerProjection | None = None,
        **options: Any,
    ) -> None:
        super().__init__(dim, **options)
        self.guide, self.projection = guide, projection
        self.remembers = False
        self.register_buffer("logits", None, persistent=False)

    def forward(self, x: Tensor, partner: Tensor | None) -> Tensor:
        """x (B, T, L, D), partner (B, T, L', D') -> (B, T, L, D)"""
        if partner is None or self.reader is None:
            return super().forward(x, None)
        projected = partner if self.projection is None else self.projection(partner)
        guided, logits = self.guide(self.reader(x, projected), projected)
        if self.remembers:
            self.logits = logits
        return self.bottleneck(guided).to(x.dtype)


@register_adapter("dg_sct", version=1)
class DgSct(AdapterScheme):
    """Adapters beside attention and MLP that re-weigh a stream by what its partner is like.

    Between LAVISH's reading of the partner and its bottleneck, each channel and each token of the stream gets a weight
    in 0..1 that follows from the partner's mean token. The defaults are the published ones for AVE, without the two
    projections that make streams of two unlike backbones agree: here one backbone serves both. The others:

    - AVQA: `dg_sct(latents=2, latent_start='zeros', groups=4, batch_norm=False, gate_audio=False)`
    - AVS S4: `dg_sct(latent_start='zeros', batch_norm=False, norm_before=False, gate_first=True, gate_audio=False)`
    - AVS MS3: the same with `reduction=2, channel_share=0.2, token_share=0.1`
    - the authors' order of steps, projections and pooling: `wiring='paired', projection='full', pooling='attention'`

    Two backbones of unlike widths take `projection='full'`; blocks without a partner stay plain there, as released.

    With `pooling='attention'` and with `gate_audio=False` it does not start as the identity. A stream whose partner is
    absent has neither reading nor weights: its bottleneck alone remains, and its pooling is the backbone's.

    Args:
        backbone: read for the widths of its blocks, and for `projection` for its numbers of tokens.
        latents: latent tokens of each adapter.
        latent_start: how they start, `"uniform"` in 0..1 or `"zeros"`, where they stay equal.
        reduction: hidden width is the block's width divided by this, rounded down.
        groups: groups of channels that the bottleneck keeps apart.
        batch_norm: batch norm after `down` and after `up`.
        norm_before: layer norm before the bottleneck.
        gate_audio: whether audio adapters have an output gate, as visual ones always do.
        gate_first: the output gate before the last layer norm instead of behind it.
        channel_share: α of a stream's re-weighting by α κ + β σ + 1 − α, κ by channel.
        token_share: β, σ by token.
        projection: what becomes of the partner before it is read: `none`; `full`, trained maps of its tokens and then
            its channels; `resized`, of its channels, its square grid of tokens then resized (AVS S4).
        wiring: `symmetric`, or `paired` as released, where audio's adapters are added behind its whole block.
        pooling: the backbone's own, or by `attention`: the token weights of the last block.
        drop_path: stochastic depth of the frozen branches in training, rising from 0 in the first block to this in the
            last. The authors' backbones had 0.1, their library's default.

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
        latents: int = 32,
        latent_start: LatentStart = "uniform",
        reduction: int = 8,
        groups: int = 2,
        batch_norm: bool = True,
        norm_before: bool = True,
        gate_audio: bool = True,
        gate_first: bool = False,
        channel_share: float = 0.3,
        token_share: float = 0.05,
        projection: Projection = "none",
        wiring: Wiring = "symmetric",
        pooling: Pooling = "backbone",
        drop_path: float = 0.0,
    ) -> None:
        super().__init__(backbone, across_widths=projection != "none")
        check_options(latents, latent_start)
        check_wiring(wiring)
        if pooling not in ("backbone", "attention"):
            raise unknown("pooling of dg_sct", str(pooling), ("backbone", "attention"))
        project, steps = projections(backbone, projection), [blocks_in(step) for step in steps_of(backbone)]
        drops = rates(drop_path, len(steps))

        def maker(index: int) -> Callable[[Modality], GuidedAdapter] | None:
            if len(steps[index]) < 2:
                return None
            return lambda modality: GuidedAdapter(
                steps[index][modality].dim,
                Guide(steps[index][modality].dim, channel_share, token_share),
                project(index, modality),
                latents=latents,
                latent_start=latent_start,
                reduction=reduction,
                groups=groups,
                batch_norm=batch_norm,
                norm_before=norm_before,
                gate=gate_audio or modality == "visual",
                gate_first=gate_first,
            )

        self.blocks = nn.ModuleList(BesideBlock(maker(i), wiring, drops[i]) for i in range(len(steps)))
        self.pooling = pooling
        if pooling == "attention":
            for adapter in self._last().values():
                adapter.remembers = True

    def part(self, index: int) -> nn.Module:
        """All that `forward_block` does at a step, as a module that is called with (step, streams)."""
        return self.blocks[index]

    def forward_block(self, index: int, step: Block | Step, streams: Streams) -> Streams:
        return self.part(index)(step, streams)

    def leave(self, streams: Streams, finish: Callable[[Tensor, Modality], Features]) -> dict[Modality, Features]:
        return {m: self._pooled(finish(x, m), self._last()[m]) for m, x in streams.items()}

    def _last(self) -> dict[Modality, GuidedAdapter]:
        """The adapters of the last step in which both modalities move."""
        adapted = [beside for beside in cast("list[BesideBlock]", list(self.blocks)) if len(beside.second)]
        return cast("dict[Modality, GuidedAdapter]", adapted[-1].second)

    def _pooled(self, features: Features, adapter: GuidedAdapter) -> Features:
        """By the token weights of the last adapter, if it met a partner: ρᵀ tokens."""
        logits, adapter.logits = adapter.logits, None
        if logits is None:
            return features
        weights = token_attention(logits).to(features.tokens.dtype)
        return replace(features, pooled=(weights * features.tokens).sum(dim=-2).to(features.pooled.dtype))


def check_options(latents: int, latent_start: str) -> None:
    """Refuse latents that nothing could read.

    Raises:
        UserError: none, or an unknown start.
    """
    if latents < 1:
        raise UserError(f"latents={latents} must be at least 1.")
    if latent_start not in ("uniform", "zeros"):
        raise unknown("latent_start", str(latent_start), ("uniform", "zeros"))
