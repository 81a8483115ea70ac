"""AVMoE: beside each branch a soft mixture of adapters, some of which read the partner and some of which do not.

Cheng, Li, He, Feng: Mixtures of Experts for Audio-Visual Learning, NeurIPS 2024. As class
`MoEAdapter` of the authors' code computes it (yingchengy/AVMOE, commit edd2383).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from adapters.beside import BesideBlock, PartnerProjection, Projection, Wiring, check_wiring, projections, rates
from adapters.lavish import LatentAdapter, LatentReader
from adapters.parts import Gate, Linear, blocks_in, places, steps_of
from adapters.scheme import AdapterScheme
from registry import UserError, register_adapter
from registry.errors import unknown
from registry.space import OneOf, SearchSpace
from registry.vocabulary import Features, Modality, Streams

if TYPE_CHECKING:
    from backbones.backbone import Backbone
    from backbones.block import Block, Step

SelfAttention = Literal["none", "frames", "latents", "tokens"]
ROUTER_WIDTHS = (128, 32)


class FrameAttention(nn.Module):
    """Multi-head attention of each token position over the segments of its clip, in place of the stream.

    The authors' runs over all segments of a batch, clips mixed; the two are one where a batch is one clip.
    """

    heads, dropped = 4, 0.2

    def __init__(self, dim: int) -> None:
        super().__init__()
        if dim % self.heads:
            raise UserError(f"self_attention='frames' has {self.heads} heads, which do not divide the width {dim}.")
        self.qkv, self.out = Linear(dim, 3 * dim), Linear(dim, dim)
        self.drop = nn.Dropout(self.dropped)
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, L, D) -> (B, T, L, D)"""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(3, 0, 2, 4, 1, 5)
        weights = (q @ k.mT * q.shape[-1] ** -0.5).softmax(-1).to(v.dtype)
        return self.out((self.drop(weights) @ v).permute(0, 3, 1, 2, 4).flatten(-2))


class TokenAttention(nn.Module):
    """Adds to each token, through a gate, those that attend to it: `x + g · softmax(x xᵀ)ᵀ x`.

    As released, weights are taken transposed, so that those of a token do not add up to one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate()

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, L, D) -> (B, T, L, D)"""
        # Products of long tokens without a scale, which reduced precision would round to whole numbers.
        with torch.autocast("cuda" if x.is_cuda else "cpu", enabled=False):
            weights = (x.float() @ x.float().mT).softmax(-1)
            seen = (weights.mT @ x.float()).to(x.dtype)
        return x + self.gate(seen)


class OwnLatents(LatentReader):
    """LAVISH's reading with the stream as its own partner."""

    def __init__(self, dim: int, latents: int) -> None:
        super().__init__(dim, latents, "uniform")

    def forward(self, x: Tensor, partner: Tensor | None = None) -> Tensor:
        """(B, T, L, D) -> (B, T, L, D)"""
        return super().forward(x, x)


class UnimodalExpert(LatentAdapter):
    """A linear bottleneck, without activation, on a stream that may have attended to itself.

    Args:
        self_attention: how: not at all; over `frames` of its clip; through `latents`; or its `tokens` to each other.
        latents: of that attention.
        options: those of `LatentAdapter`.
    """

    def __init__(self, dim: int, self_attention: SelfAttention, latents: int, **options: Any) -> None:
        super().__init__(dim, latents=0, activation=False, **options)
        kinds: dict[str, Callable[[], nn.Module]] = {
            "none": nn.Identity,
            "frames": lambda: FrameAttention(dim),
            "latents": lambda: OwnLatents(dim, latents),
            "tokens": TokenAttention,
        }
        self.self_attention = kinds[self_attention]()

    def forward(self, x: Tensor, partner: Tensor | None = None) -> Tensor:
        """(B, T, L, D) -> (B, T, L, D)"""
        return self.bottleneck(self.self_attention(x)).to(x.dtype)


class Mixture(nn.Module):
    """Experts of one site, weighed softly and anew for each frame by a router that reads the means of both streams.

    Without a partner there is nothing to weigh by: the plain mean of the unimodal experts.

    Args:
        cross: how many experts read the partner.
        unimodal: how many do not.
        projection: what brings the partner to the stream's tokens and width; None takes it as it is.
        noise: deviation of normal noise on the router's logits in training.
        remembers: keep the experts' weights of a training step for `leave`.
        options: those of `LatentAdapter`.
    """

    gating: Tensor | None
    """(B, T, E) of the last call in training, cross-modal experts first."""

    def __init__(
        self,
        dim: int,
        cross: int,
        unimodal: int,
        *,
        latents: int,
        self_attention: SelfAttention = "none",
        projection: PartnerProjection | None = None,
        noise: float = 0.0,
        remembers: bool = False,
        **options: Any,
    ) -> None:
        super().__init__()
        self.projection, self.noise, self.remembers = projection, noise, remembers
        self.cross = nn.ModuleList(LatentAdapter(dim, latents=latents, **options) for _ in range(cross))
        self.unimodal = nn.ModuleList(UnimodalExpert(dim, self_attention, latents, **options) for _ in range(unimodal))
        first, second = ROUTER_WIDTHS
        self.router = nn.Sequential(
            Linear(2 * dim, first), nn.ReLU(), Linear(first, second), nn.ReLU(), Linear(second, cross + unimodal)
        )
        self.register_buffer("gating", None, persistent=False)

    def forward(self, x: Tensor, partner: Tensor | None) -> Tensor:
        """x (B, T, L, D), partner (B, T, L', D') -> (B, T, L, D)"""
        alone = [expert(x) for expert in self.unimodal]
        if partner is None:
            return torch.stack(alone).mean(dim=0)
        projected = partner if self.projection is None else self.projection(partner)
        gating = self.route(x, projected)
        if self.remembers and self.training:
            self.gating = gating
        experts = [*(expert(x, projected) for expert in self.cross), *alone]
        weighed = [
            out * weight for out, weight in zip(experts, gating.to(x.dtype)[..., None, None, :].unbind(-1), strict=True)
        ]
        return torch.stack(weighed).sum(dim=0)

    def route(self, x: Tensor, partner: Tensor) -> Tensor:
        """How much each expert counts in each frame: (B, T, L, D), (B, T, M, D) -> (B, T, E), each frame's sum one."""
        logits = self.router(torch.cat((x.mean(dim=-2), partner.mean(dim=-2)), dim=-1)).float()
        if self.noise and self.training:
            logits = logits + self.noise * torch.randn_like(logits)
        return logits.softmax(dim=-1)


def imbalance(gating: Tensor) -> Tensor:
    """−Σ_k log of the mean weight of expert k over all frames, as released: (B, T, E) -> scalar, E log E at least."""
    return -gating.flatten(0, -2).mean(dim=0).log().sum()


@register_adapter("avmoe", version=1)
class AvMoe(AdapterScheme):
    """Soft mixtures of cross-modal and unimodal adapters beside attention and MLP.

    A cross-modal expert is LAVISH's adapter, a unimodal one a linear bottleneck; a router weighs them for each frame.
    The defaults are the published ones for AVE, without the two projections that make streams of two unlike backbones
    agree. The others:

    - AVQA: `avmoe(unimodal=2, skip=1, latents=2, groups=4, batch_norm=False, gate_audio=False)`
    - AVS S4: `avmoe(skip=1, latents=87, batch_norm=False, gate_audio=False, self_attention='frames', noise=0.01)`
    - AVS MS3: `avmoe(cross=2, unimodal=2, latents=87, reduction=2, batch_norm=False, gate_audio=False,
      self_attention='latents', noise=0.01, balance=0.01)`
    - AVVP: `avmoe(skip=1, batch_norm=False, self_attention='tokens', balance=1.0)`
    - the authors' order of steps and projections: `wiring='paired', projection='full'`

    With `gate_audio=False` it does not start as the identity. A stream whose partner is absent is adapted by the plain
    mean of its unimodal experts.

    Args:
        backbone: read for the widths of its blocks, and for `projection` for its numbers of tokens.
        cross: experts of each mixture that read the partner.
        unimodal: experts that do not.
        skip: of every so many stages the last one stays plain; 1 leaves none out. A ViT is one stage. Of two
            backbones sight's stages count, and blocks without a partner are plain too.
        latents: latent tokens of each expert that has some; they start uniform in 0..1.
        reduction: hidden width is the block's width divided by this, rounded down.
        groups: groups of channels that the bottlenecks keep apart.
        batch_norm: batch norm after `down` and after `up`.
        gate_audio: whether audio experts have an output gate, as visual ones always do.
        self_attention: what unimodal experts do first: `none`; attend over the `frames` of the clip; read their own
            stream through `latents`; attend among its `tokens`.
        noise: deviation of the noise on the router's logits in training.
        balance: weight of the penalty on mixtures that prefer an expert over a whole batch; 0 adds none.
        projection: what becomes of the partner before it is read: `none`; `full`, trained maps of its tokens and then
            its channels.
        wiring: `symmetric`, or `paired` as released, where audio's mixtures are added behind its whole block.
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
        cross: int = 1,
        unimodal: int = 1,
        skip: int = 2,
        latents: int = 32,
        reduction: int = 8,
        groups: int = 2,
        batch_norm: bool = True,
        gate_audio: bool = True,
        self_attention: SelfAttention = "none",
        noise: float = 0.0,
        balance: float = 0.0,
        projection: Projection = "none",
        wiring: Wiring = "symmetric",
        drop_path: float = 0.0,
    ) -> None:
        super().__init__(backbone, across_widths=projection != "none")
        _check(self_attention, noise, balance, cross=cross, unimodal=unimodal, skip=skip, latents=latents)
        check_wiring(wiring)
        project, steps = projections(backbone, projection), steps_of(backbone)
        drops = rates(drop_path, len(steps))

        def maker(index: int) -> Callable[[Modality], Mixture]:
            return lambda modality: Mixture(
                blocks_in(steps[index])[modality].dim,
                cross,
                unimodal,
                latents=latents,
                self_attention=self_attention,
                projection=project(index, modality),
                noise=noise,
                remembers=balance > 0,
                reduction=reduction,
                groups=groups,
                batch_norm=batch_norm,
                gate=gate_audio or modality == "visual",
            )

        paired = {i: place["visual"][0] for i, place in enumerate(places(steps)) if len(place) == 2}
        mixed = {i for i, stage in paired.items() if skip == 1 or (stage + 1) % skip}
        if not mixed:
            raise UserError(f"avmoe skip={skip} leaves every block plain; set skip=1.")
        self.blocks = nn.ModuleList(
            BesideBlock(maker(i) if i in mixed else None, wiring, drops[i]) for i in range(len(steps))
        )
        self.balance = balance
        self._penalties: list[Tensor] = []

    def part(self, index: int) -> nn.Module:
        """All that `forward_block` does at a step, as a module that is called with (step, streams)."""
        return self.blocks[index]

    def forward_block(self, index: int, step: Block | Step, streams: Streams) -> Streams:
        return self.part(index)(step, streams)

    def leave(self, streams: Streams, finish: Callable[[Tensor, Modality], Features]) -> dict[Modality, Features]:
        for mixture in self.modules():
            if isinstance(mixture, Mixture) and mixture.gating is not None:
                if torch.is_grad_enabled():
                    self._penalties.append(self.balance * imbalance(mixture.gating))
                mixture.gating = None
        return super().leave(streams, finish)

    def penalty(self) -> Tensor | None:
        """`balance` · Σ of `imbalance` over all mixtures that met a partner."""
        penalties, self._penalties = self._penalties, []
        return torch.stack(penalties).sum() if penalties else None


def _check(self_attention: str, noise: float, balance: float, **counts: int) -> None:
    if self_attention not in get_args(SelfAttention):
        raise unknown("self_attention of avmoe", self_attention, get_args(SelfAttention))
    for name, count in counts.items():
        if count < 1:
            raise UserError(f"avmoe {name}={count} must be at least 1.")
    for name, value in (("noise", noise), ("balance", balance)):
        if not 0 <= value < float("inf"):
            raise UserError(f"avmoe {name}={value} must be 0 or more.")
