"""Multi-head self-attention on pretrained projections, over the tokens of a group or over time."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from backbones.kernels.attention import attend, attend_along_time
from backbones.kernels.linear import multiply
from backbones.sites import UNCHANGED, Delta, project

LARGEST_LOGIT_SCALE = math.log(100)
"""Where Swin v2 clamps its learned temperature (arXiv 2111.09883, section 3.3)."""

SHORTEST = 1e-12
"""Shorter vectors are divided by this, as by `F.normalize`."""


class DotProduct(nn.Module):
    """Queries and keys compared by their scaled dot product, each normalised first where the model does so.

    Args:
        scale: what logits are multiplied by, d to the power of -1/2 for most.
        q_norm, k_norm: norms of queries and keys over d; None is none.
    """

    def __init__(self, scale: float, q_norm: nn.Module | None = None, k_norm: nn.Module | None = None) -> None:
        super().__init__()
        self.scale = scale
        self.q_norm, self.k_norm = q_norm or nn.Identity(), k_norm or nn.Identity()

    def forward(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """What the logits are products of: (…, H, l, d), (…, H, m, d) -> same shapes."""
        return self.q_norm(q), self.k_norm(k)

    def over_time(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """The same for tokens of one place at several times: (…, H, T, d) each -> same shapes."""
        return self.forward(q, k)


class CosineSimilarity(nn.Module):
    """Queries and keys compared by their cosine, times a learned and clamped temperature for each head.

    Swin v2 (arXiv 2111.09883, section 3.3).

    Args:
        logit_scale: (H, 1, 1), the logarithm of the temperature.
    """

    scale = 1.0

    def __init__(self, logit_scale: nn.Parameter) -> None:
        super().__init__()
        self.logit_scale = logit_scale

    def forward(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """What the logits are products of: (…, H, l, d), (…, H, m, d) -> same shapes."""
        temperature = self.logit_scale.clamp(max=LARGEST_LOGIT_SCALE).exp()
        return (unit_length(q) * temperature).to(q.dtype), unit_length(k)

    def over_time(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """The same for tokens of one place at several times: (…, H, T, d) each -> same shapes."""
        return self.forward(q, k)


def unit_length(x: Tensor) -> Tensor:
    """Vectors along the last axis at length 1, zeros as they are: `F.normalize` with half of its backward pass."""
    if torch.compiler.is_compiling():
        # The compiler writes a backward pass of its own, and would take what `out` below is given to lie as x does.
        return F.normalize(x, dim=-1).contiguous()
    unit: Tensor = _UnitLength.apply(x)
    return unit


class _UnitLength(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_min(SHORTEST)
        # Dense, as products want it, where x is a view of queries, keys and values in one.
        unit = torch.empty_like(x, memory_format=torch.contiguous_format)
        torch.div(x, length, out=unit)
        ctx.save_for_backward(unit, length)
        return unit

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        unit, length = ctx.saved_tensors
        along = (gradient * unit).sum(-1, keepdim=True)
        across: Tensor = torch.addcmul(gradient, unit, along, value=-1)
        return across.div_(length)


class QueryValueBiasLinear(nn.Linear):
    """A fused query, key, value projection whose keys have no bias (Swin v2)."""

    weight: nn.Parameter

    def __init__(self, weight: nn.Parameter, q_bias: nn.Parameter, v_bias: nn.Parameter) -> None:
        super().__init__(weight.shape[1], weight.shape[0], bias=False, device="meta")
        self.weight, self.q_bias, self.v_bias = weight, q_bias, v_bias

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) -> (…, 3D)"""
        return multiply(x, self.weight, self.whole_bias())

    def whole_bias(self) -> Tensor:
        """(3D,)"""
        return torch.cat((self.q_bias, torch.zeros_like(self.q_bias), self.v_bias))


class Attention(nn.Module):
    """Frozen multi-head self-attention.

    Args:
        qkv: D -> 3 · H · d; rows are queries, keys, values, each with its heads one after the other.
        proj: H · d -> D.
        similarity: `DotProduct` or `CosineSimilarity`.
        position: called once without arguments for the pretrained position bias (H, l, l) inside a group.
        mask: (G, l, l), added to the bias of every head.
    """

    bias: Tensor | None
    """Position bias and mask in one, computed once, since the parameters behind it are frozen."""
    mask: Tensor | None

    def __init__(
        self,
        qkv: nn.Linear,
        proj: nn.Linear,
        heads: int,
        *,
        similarity: DotProduct | CosineSimilarity,
        position: nn.Module | None = None,
        mask: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.qkv, self.proj, self.heads = qkv, proj, heads
        self.similarity, self.position = similarity, position
        self.register_buffer("mask", mask, persistent=False)
        with torch.no_grad():
            bias = self._live_bias()
            # Looked up by place, so heads come last in memory; adding that to logits takes five times as long.
            bias = None if bias is None else bias.contiguous()
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, x: Tensor, *, context: Tensor | None = None, delta: Delta = UNCHANGED) -> Tensor:
        """Tokens attend to the tokens of their group: (B, T, G, l, D) -> (B, T, G, l, D).

        Args:
            context: (P, D) tokens that every token may also attend to, without position bias.
        """
        mixed = self._mix(x, context, delta)
        return project("proj", self.proj, mixed, delta).unflatten(0, x.shape[:2])

    def mix(self, x: Tensor, *, context: Tensor | None = None, delta: Delta = UNCHANGED) -> Tensor:
        """What `forward` projects at the end: (B, T, G, l, D) -> (B, T, G, l, H · d)."""
        return self._mix(x, context, delta).unflatten(0, x.shape[:2])

    def over_time(self, x: Tensor, *, bias: Tensor | None = None, delta: Delta = UNCHANGED) -> Tensor:
        """Each token position attends along T: (B, T, L, D) -> (B, T, L, D).

        Args:
            bias: (H, T, T), added to the logits in place of the pretrained bias.
        """
        # Projected as it lies: a linear layer on a transposed (B, L, T, D) copies its weight for every position.
        q, k, v = (t.permute(0, 3, 2, 1, 4) for t in self._heads(x, delta))
        q, k = self.similarity.over_time(q, k)
        mixed = attend_along_time(q, k, v, bias, self.similarity.scale)
        return project("proj", self.proj, mixed.permute(0, 3, 1, 2, 4).flatten(3), delta)

    def _mix(self, x: Tensor, context: Tensor | None, delta: Delta) -> Tensor:
        """(B, T, G, l, D) -> (B · T, G, l, H · d)"""
        q, k, v = self._heads(x.flatten(0, 1), delta)
        bias = self._live_bias() if self._position_is_trained() else self.bias
        if context is not None:
            _, more_k, more_v = self._heads(context[None, None], delta)
            k, v = _append(k, more_k), _append(v, more_v)
            bias = None if bias is None else F.pad(bias, (0, len(context)))
        q, k = self.similarity(q, k)
        return attend(q, k, v, bias, self.similarity.scale).transpose(2, 3).flatten(3)

    def _live_bias(self) -> Tensor | None:
        """(H, l, l), or (G, H, l, l) under a mask."""
        bias = None if self.position is None else self.position()
        if self.mask is None:
            return bias
        masked = self.mask[:, None].expand(-1, self.heads, -1, -1)
        return masked if bias is None else bias + masked

    def _position_is_trained(self) -> bool:
        return self.position is not None and any(p.requires_grad for p in self.position.parameters())

    def _heads(self, x: Tensor, delta: Delta) -> tuple[Tensor, Tensor, Tensor]:
        """(N, G, l, D) -> queries, keys, values (N, G, H, l, d), as views of one product."""
        qkv = project("qkv", self.qkv, x, delta).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(3, 0, 1, 4, 2, 5)
        return q, k, v


def _append(tokens: Tensor, more: Tensor) -> Tensor:
    """(N, G, H, l, d), (1, 1, H, P, d) -> (N, G, H, l + P, d)"""
    return torch.cat((tokens, more.to(tokens.dtype).expand(*tokens.shape[:2], -1, -1, -1)), dim=3)
