"""Softmax attention as plain products, for many short sequences: it keeps its inputs and makes the rest again."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

FEW_KEYS, MANY_WEIGHTS = 12, 400_000
"""On CPU softmax along rows shorter than a vector register is slow: from this many weights on it goes along columns, 5
to 10 times as fast at 10 keys. The last bits differ, so the choice depends on shapes alone."""


def attend_by_products(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    """softmax(scale · q kᵀ + bias) v: q (N, H, l, d), k and v (N, H, m, d) -> (N, H, l, d).

    Args:
        bias: broadcasts to (N, H, l, m).
    """
    return _weights(q * scale, k, bias).to(v.dtype) @ v


def attend_keeping_little(
    q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float, *, axis: int, keep_weights: bool
) -> Tensor:
    """`attend_by_products` over tensors whose axes `axis` and the next still have to become one: the same bits.

    For the backward pass it keeps q, k and v as they come, so no more than what they are views of. Autograd would keep
    dense copies of all three, q a second time scaled, and the weights twice.

    Args:
        keep_weights: whether the softmax in float32 is kept as well instead of made again.
    """
    mixed: Tensor = _Attend.apply(q, k, v, bias, scale, axis, keep_weights)
    return mixed


class _Attend(Function):
    """Step by step what autograd does for `attend_by_products`, forward and backward."""

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float, axis: int, keep_weights: bool
    ) -> Tensor:
        dense_q, dense_k, dense_v = (t.flatten(axis, axis + 1) for t in (q, k, v))
        weights = _weights(dense_q * scale, dense_k, bias)
        ctx.save_for_backward(q, k, v, bias, weights if keep_weights else None)
        ctx.scale, ctx.axis = scale, axis
        return (weights.to(v.dtype) @ dense_v).unflatten(axis, q.shape[axis : axis + 2])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        *inputs, bias, weights = ctx.saved_tensors
        shapes = [t.shape[ctx.axis : ctx.axis + 2] for t in inputs]
        q, k, v, gradient = (t.flatten(ctx.axis, ctx.axis + 1) for t in (*inputs, gradient))
        scaled = q * ctx.scale
        weights = _weights(scaled, k, bias) if weights is None else weights
        to_v = weights.to(v.dtype).mT @ gradient if ctx.needs_input_grad[2] else None
        to_weights = (gradient @ v.mT).to(weights.dtype)
        to_logits = torch.ops.aten._softmax_backward_data(to_weights, weights, -1, weights.dtype)
        del weights, to_weights
        to_bias = to_logits.sum_to_size(bias.shape).to(bias.dtype) if ctx.needs_input_grad[3] else None
        to_logits = to_logits.to(q.dtype)
        to_q = to_logits @ k * ctx.scale if ctx.needs_input_grad[0] else None
        to_k = (scaled.mT @ to_logits).mT if ctx.needs_input_grad[1] else None
        apart = (
            None if t is None else t.unflatten(ctx.axis, s) for t, s in zip((to_q, to_k, to_v), shapes, strict=True)
        )
        return *apart, to_bias, None, None, None


def _weights(scaled: Tensor, k: Tensor, bias: Tensor | None) -> Tensor:
    """(N, H, l, d), (N, H, m, d) -> (N, H, l, m) in float32 at least."""
    logits = scaled @ k.mT
    logits = logits if bias is None else logits + bias
    dtype = torch.promote_types(logits.dtype, torch.float32)
    keys = logits.shape[-1]
    if keys > FEW_KEYS or logits.numel() < MANY_WEIGHTS or logits.is_meta:
        return logits.softmax(-1, dtype=dtype)
    columns = logits.reshape(-1, keys).t().to(dtype).contiguous()
    return columns.softmax(0).t().reshape(logits.shape)
