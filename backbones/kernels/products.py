"""Softmax attention as plain products, for many short sequences: it keeps its inputs and makes the rest again."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

LEAST_PLAIN_ROWS = 16
"""On CPU a softmax over rows that do not fill a vector register goes along columns, 3 to 8 times as fast."""

CACHED = 2**20
"""Attention weights that are computed at once where gradients are: 4 MB of float32."""


def attend_by_products(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    """softmax(scale · q kᵀ + bias) v: q (N, H, l, d), k and v (N, H, m, d) -> (N, H, l, d).

    Args:
        bias: broadcasts to (N, H, l, m).
    """
    return _weights(_scaled(q, scale), k, bias).to(v.dtype) @ v


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
    """Step by step what autograd does for `attend_by_products`, forward and backward, some pictures after others."""

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float, axis: int, keep_weights: bool
    ) -> Tensor:
        ctx.scale, ctx.axis, ctx.pieces = scale, axis, _pieces(q, k)
        mixed, kept = [], []
        for piece in ctx.pieces:
            dense_q, dense_k, dense_v = (t[piece].flatten(axis, axis + 1) for t in (q, k, v))
            weights = _weights(_scaled(dense_q, scale), dense_k, bias)
            mixed.append((weights.to(v.dtype) @ dense_v).unflatten(axis, q[piece].shape[axis : axis + 2]))
            kept += [weights] if keep_weights else []
        ctx.save_for_backward(q, k, v, bias, *kept)
        return _joined(mixed)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, bias, *kept = ctx.saved_tensors
        found: list[list[Tensor]] = [[], [], []]
        to_bias = None
        for index, piece in enumerate(ctx.pieces):
            a, b, c, to = (t[piece].flatten(ctx.axis, ctx.axis + 1) for t in (q, k, v, gradient))
            weights = kept[index] if kept else _weights(_scaled(a, ctx.scale), b, bias)
            *to_inputs, to_logits = _backward(a, b, c, to, weights, ctx.scale)
            apart = q[piece].shape[ctx.axis : ctx.axis + 2]
            for parts, part in zip(found, to_inputs, strict=True):
                parts.append(part.unflatten(ctx.axis, apart))
            if ctx.needs_input_grad[3]:
                added = _summed(to_logits, bias, b)
                to_bias = added if to_bias is None else to_bias + added
        to_bias = None if to_bias is None else to_bias.to(bias.dtype)
        return *map(_joined, found), to_bias, None, None, None


def _backward(
    q: Tensor, k: Tensor, v: Tensor, gradient: Tensor, weights: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of q, k, v and of the logits, these in the precision of the weights."""
    to_v = weights.to(v.dtype).mT @ gradient
    to_logits = _through_softmax((gradient @ v.mT).to(weights.dtype), weights, k)
    narrow = to_logits.to(q.dtype)
    return _scaled(narrow @ k, scale), narrow.mT @ _scaled(q, scale), to_v, to_logits


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _scaled(q: Tensor, scale: float) -> Tensor:
    return q if scale == 1 else q * scale


def _pieces(q: Tensor, k: Tensor) -> list[slice]:
    """Slices along the first axis, of pictures whose attention weights stay in the processor's cache together."""
    at_once = max(1, CACHED // (q.shape[1:-1].numel() * k.shape[-2]))
    return [slice(start, start + at_once) for start in range(0, len(q), at_once)]


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
        return to_logits.mT.sum_to_size(bias.mT.shape).mT
    return to_logits.sum_to_size(bias.shape)


def _along_columns(k: Tensor) -> bool:
    return k.device.type == "cpu" and k.shape[-2] < LEAST_PLAIN_ROWS
