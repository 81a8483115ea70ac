"""Softmax attention as plain products, for many short sequences: it keeps its inputs and makes the rest again."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

LEAST_PLAIN_ROWS = 16
"""On CPU a softmax over rows that do not fill a vector register goes along columns, 3 to 8 times as fast."""


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
        to_logits = _through_softmax(to_weights, weights, k)
        del weights, to_weights
        to_bias = _summed(to_logits, bias, k) if ctx.needs_input_grad[3] else None
        to_logits = to_logits.to(q.dtype)
        to_q = to_logits @ k * ctx.scale if ctx.needs_input_grad[0] else None
        to_k = to_logits.mT @ scaled if ctx.needs_input_grad[1] else None
        apart = (
            None if t is None else t.unflatten(ctx.axis, s) for t, s in zip((to_q, to_k, to_v), shapes, strict=True)
        )
        return *apart, to_bias, None, None, None


def _weights(scaled: Tensor, k: Tensor, bias: Tensor | None) -> Tensor:
    """(N, H, l, d), (N, H, m, d) -> (N, H, l, m) in float32 at least."""
    columns = _along_columns(k)
    logits = k @ scaled.mT if columns else scaled @ k.mT
    if bias is not None:
        logits = logits + (bias.mT if columns else bias)
    weights = logits.softmax(-2 if columns else -1, dtype=torch.promote_types(logits.dtype, torch.float32))
    return weights.mT if columns else weights


def _through_softmax(to_weights: Tensor, weights: Tensor, k: Tensor) -> Tensor:
    """The gradient of logits from that of weights: (N, H, l, m) each -> same."""
    if _along_columns(k):
        return torch.ops.aten._softmax_backward_data(to_weights.mT, weights.mT, -2, weights.dtype).mT
    return torch.ops.aten._softmax_backward_data(to_weights, weights, -1, weights.dtype)


def _summed(to_logits: Tensor, bias: Tensor, k: Tensor) -> Tensor:
    """The gradient of the bias, added up in the order in which the logits lie."""
    if _along_columns(k):
        return to_logits.mT.sum_to_size(bias.mT.shape).mT.to(bias.dtype)
    return to_logits.sum_to_size(bias.shape).to(bias.dtype)


def _along_columns(k: Tensor) -> bool:
    return k.device.type == "cpu" and k.shape[-2] < LEAST_PLAIN_ROWS
