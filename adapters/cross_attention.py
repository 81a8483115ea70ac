"""Attention without parameters between two sets of tokens: STG-CMA's exchange and LAVISH's latents."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

LONGEST_PLAIN_ON_CPU = {torch.float32: 64 * 64, torch.bfloat16: 128 * 128, torch.float16: 128 * 128}
"""Up to this many products of a query and a key, plain batched products beat the fused CPU kernel: in half precision
four times at 64 x 64, level near 200 x 200; in float32 three times at 49 x 49 with 8 channels."""

LARGEST_KEPT = 2**19
"""Of more values than this, both sides together, only the two sides are kept for the backward pass. Autograd would keep
their copies in fp32 and the weights as well, which together hold more than the streams; for fewer that is no matter."""

FEW_WEIGHTS = 32
"""Weights are kept all the same where one comes to this many values or more, as those of two latents do."""

NARROWEST_ON_CPU = 16
"""The fused CPU kernel in float32 takes 1.6 times as long over 8 channels as over these 8 and as many zeros."""


def cross_attend(query: Tensor, tokens: Tensor) -> Tensor:
    """Attention without parameters or scale: (B, T, …, N, D), (B, T, …, M, D) -> (B, T, …, N, D).

    softmax(query tokensᵀ) tokens, as in STG-CMA's exchange and LAVISH's latents. A query (N, D) serves every picture.
    The softmax is in fp32, because unscaled products are large; long products are never stored.
    """
    query = query.to(tokens.dtype).expand(*tokens.shape[:-2], *query.shape[-2:])
    if _prefers_plain(query, tokens):
        if query.numel() + tokens.numel() <= LARGEST_KEPT:
            return _mixed(attention_weights(query, tokens), tokens)
        read: Tensor = _Read.apply(query, tokens)
        return read
    # Four axes, as the fused kernels ask; windows and segments stand where heads do.
    q, kv = query.flatten(0, -4), tokens.flatten(0, -4)
    missing = NARROWEST_ON_CPU - q.shape[-1] if q.device.type == "cpu" else 0
    if missing > 0:
        q, kv = F.pad(q, (0, missing)), F.pad(kv, (0, missing))
    mixed = F.scaled_dot_product_attention(q, kv, kv, scale=1.0)[..., : query.shape[-1]]
    return mixed.unflatten(0, query.shape[:-3])


def attention_weights(query: Tensor, tokens: Tensor) -> Tensor:
    """softmax(query tokensᵀ) in fp32: (…, N, D), (…, M, D) -> (…, N, M). What `cross_attend` need not store."""
    with torch.autocast(tokens.device.type, enabled=False):
        return (query.float() @ tokens.float().mT).softmax(dim=-1)


def _mixed(weights: Tensor, tokens: Tensor) -> Tensor:
    with torch.autocast(tokens.device.type, enabled=False):
        return weights.to(tokens.dtype) @ tokens


class _Read(Function):
    """Plain `cross_attend` that keeps its two inputs; (…, N, D), (…, M, D) -> (…, N, D)."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, tokens: Tensor) -> Tensor:
        weights = attention_weights(query, tokens)
        few = FEW_WEIGHTS * weights.numel() <= query.numel() + tokens.numel()
        ctx.save_for_backward(query, tokens, weights if few else None)
        return _mixed(weights, tokens)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        query, tokens, weights = ctx.saved_tensors
        weights = attention_weights(query, tokens) if weights is None else weights
        to_weights = (gradient @ tokens.mT).float()
        to_logits = torch.ops.aten._softmax_backward_data(to_weights, weights, -1, torch.float32).to(tokens.dtype)
        to_query = to_logits @ tokens if ctx.needs_input_grad[0] else None
        to_tokens = None
        if ctx.needs_input_grad[1]:
            # Autograd would multiply to (…, D, M); a product whose last axis is two latents wide is six times as slow.
            to_tokens = weights.to(tokens.dtype).mT @ gradient + to_logits.mT @ query
        return to_query, to_tokens


def _prefers_plain(query: Tensor, tokens: Tensor) -> bool:
    products = query.shape[-2] * tokens.shape[-2]
    dtype = torch.bfloat16 if torch.is_autocast_enabled("cpu") else tokens.dtype
    return tokens.device.type == "cpu" and products <= LONGEST_PLAIN_ON_CPU.get(dtype, 0)
