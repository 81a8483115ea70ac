"""Softmax attention without parameters, and the one place that chooses how it is computed.

Frozen blocks attend in windows and along time; adapters let one set of tokens read another. Each is computed by plain
products, step by step or as one function that keeps its inputs and makes the rest again in the backward pass, or by
the library's fused kernel; among a few tokens on CUDA by a kernel of our own (`backbones.kernels.attention_triton`).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

LONGEST_PLAIN_ON_CPU = {torch.float32: 64, torch.bfloat16: 384, torch.float16: 384}
"""Up to this many keys, plain products beat the fused kernel on CPU. Forward and backward together, in reduced
precision: 4 times at 49 keys, 2 to 3 times at 144 and 197, 1.4 times at 324; in float32: 2.5 times at 10 keys, 1.25
times at 49, level at 144."""

LARGEST_PLAIN_EXCHANGE_ON_CPU = {torch.float32: 64 * 64, torch.bfloat16: 128 * 128, torch.float16: 128 * 128}
"""The same of an exchange, by the products of a query and a key, whose logits are in float32 always: in half precision
four times at 64 x 64, level near 200 x 200; in float32 three times at 49 x 49 with 8 channels."""

LARGEST_KEPT = 2**20
"""Attention weights and copies of queries, keys and values beyond this many numbers are made again in the backward
pass, as fused kernels do; for fewer the detour costs more than the memory is worth."""

LARGEST_KEPT_OF_EXCHANGE = 2**19
"""Of more values than this, both sides of an exchange together, only the two sides are kept: their copies in float32
and the weights together hold more than the streams."""

FEW_WEIGHTS = 32
"""Weights are kept all the same where one comes to this many values or more, as those of two latents do."""

CACHED = 2**20
"""Attention weights that are computed at once where inputs alone are kept: 4 MB of float32."""

LEAST_PLAIN_ROWS = 16
"""On CPU a softmax over rows that do not fill a vector register goes along columns, 3 to 8 times as fast."""

NARROWEST_EXCHANGE_ON_CPU = 16
"""The fused CPU kernel in float32 takes 1.6 times as long over 8 channels as over these 8 and as many zeros."""

LARGEST_BATCH_ON_CUDA = 65_535
"""Of the library's fused kernels; attention over time has a batch entry for each place of each picture."""


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    """softmax(scale · q kᵀ + bias) v: q (N, G, H, l, d), k and v (N, G, H, m, d) -> (N, G, H, l, d).

    Args:
        bias: (H, l, m), the same in every window, or (G, H, l, m).
    """
    # A bias of its own in each window broadcasts over clips only if windows lie on the head axis.
    if bias is not None and bias.ndim == 4:
        return _attend(q, k, v, bias.flatten(0, 1), scale, merged=1)
    return _attend(q, k, v, bias, scale, merged=0)


def attend_along_time(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    """`attend` among few tokens many times, such as the segments at each place of a picture: same shapes.

    Args:
        bias: (H, l, m), the same everywhere.
    """
    if q.is_cuda:
        # Operators of our own bring torch's compiler along, whose import takes seconds.
        from backbones.kernels import attention_triton  # noqa: PLC0415

        if attention_triton.takes(q, k, v):
            mixed: Tensor = attention_triton.attend_few(q, k, v, bias, scale)
            return mixed
    return attend(q, k, v, bias, scale)


def cross_attend(query: Tensor, tokens: Tensor) -> Tensor:
    """An exchange: softmax(query tokensᵀ) tokens, (B, T, …, N, D), (B, T, …, M, D) -> (B, T, …, N, D).

    Without parameters or scale, as in STG-CMA's exchange and LAVISH's latents. A query (N, D) serves every picture.
    Logits and softmax are in float32, because unscaled products are large; long products are never stored.
    """
    query = query.to(tokens.dtype).expand(*tokens.shape[:-2], *query.shape[-2:])
    return _attend(query, tokens, tokens, exchange=True)


def attention_weights(query: Tensor, tokens: Tensor) -> Tensor:
    """softmax(query tokensᵀ) in float32: (…, N, D), (…, M, D) -> (…, N, M). What `cross_attend` need not store."""
    with _precision(query, exchange=True):
        return _weights(query, tokens, None, 1.0, exchange=True)


def _attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    bias: Tensor | None = None,
    scale: float = 1.0,
    *,
    merged: int = 0,
    exchange: bool = False,
) -> Tensor:
    """Choose a way. The axes `merged` and the next become one, where windows and heads are more than kernels take."""
    plain = _prefers_plain(q, k, exchange)
    if plain and torch.is_grad_enabled() and _is_large(q, k, exchange):
        mixed: Tensor = _KeepingInputs.apply(q, k, v, bias, scale, merged, exchange)
        return mixed
    if exchange:
        return _by_products(q, k, v, bias, scale, exchange) if plain else _fused_exchange(q, k)
    shape = q.shape[merged : merged + 2]
    q, k, v = (t.flatten(merged, merged + 1) for t in (q, k, v))
    mixed = _by_products(q, k, v, bias, scale, exchange) if plain else _fused(q, k, v, bias, scale)
    return mixed.unflatten(merged, shape)


def _prefers_plain(q: Tensor, k: Tensor, exchange: bool) -> bool:
    if k.device.type != "cpu":
        return False
    if not exchange:
        return k.shape[-2] <= LONGEST_PLAIN_ON_CPU.get(k.dtype, 0)
    multiplied_in = torch.bfloat16 if torch.is_autocast_enabled("cpu") else k.dtype
    return q.shape[-2] * k.shape[-2] <= LARGEST_PLAIN_EXCHANGE_ON_CPU.get(multiplied_in, 0)


def _is_large(q: Tensor, k: Tensor, exchange: bool) -> bool:
    """Whether autograd would keep large weights or copies."""
    if exchange:
        return q.numel() + k.numel() > LARGEST_KEPT_OF_EXCHANGE
    return q.shape[:-1].numel() * max(k.shape[-2], q.shape[-1]) > LARGEST_KEPT


def _keeps_weights(q: Tensor, k: Tensor, exchange: bool) -> bool:
    """Whether the softmax is kept beside the inputs.

    In float32 it is: there the fused kernel is what plain products compete with, it keeps what it puts out, which is as
    large, and making weights again would take what is gained at 49 keys.
    """
    weights = q.shape[:-1].numel() * k.shape[-2]
    few = weights <= LARGEST_KEPT or FEW_WEIGHTS * weights <= q.numel() + k.numel()
    return few or (q.dtype == torch.float32 and not exchange)


def _fused(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    """By the library's kernels: q (N, H, l, d), k and v (N, H, m, d) -> (N, H, l, d)."""
    mask = None if bias is None else bias.to(q.dtype)[None]
    if not q.is_cuda or len(q) <= LARGEST_BATCH_ON_CUDA:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)
    pieces = zip(*(t.split(LARGEST_BATCH_ON_CUDA) for t in (q, k, v)), strict=True)
    return torch.cat([F.scaled_dot_product_attention(a, b, c, mask, scale=scale) for a, b, c in pieces])


def _fused_exchange(query: Tensor, tokens: Tensor) -> Tensor:
    """The same of an exchange; windows and segments stand where heads do."""
    q, kv = query.flatten(0, -4), tokens.flatten(0, -4)
    missing = NARROWEST_EXCHANGE_ON_CPU - q.shape[-1] if q.device.type == "cpu" else 0
    if missing > 0:
        q, kv = F.pad(q, (0, missing)), F.pad(kv, (0, missing))
    return _fused(q, kv, kv, None, 1.0)[..., : query.shape[-1]].unflatten(0, query.shape[:-3])


def _by_products(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float, exchange: bool) -> Tensor:
    """Step by step: q (…, l, d), k and v (…, m, d), bias broadcasts to (…, l, m) -> (…, l, d)."""
    with _precision(q, exchange):
        return _weights(q, k, bias, scale, exchange).to(v.dtype) @ v


class _KeepingInputs(Function):
    """`_by_products` of tensors whose axes `merged` and the next still have to become one: the same bits.

    Step by step what autograd does, forward and backward, some clips after others. For the backward pass it keeps q, k
    and v as they come, so no more than what they are views of. Autograd would keep dense copies of all three, q a
    second time scaled, and the weights twice.
    """

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float, merged: int, exchange: bool
    ) -> Tensor:
        ctx.scale, ctx.merged, ctx.exchange, ctx.pieces = scale, merged, exchange, _pieces(q, k)
        keeps = _keeps_weights(q, k, exchange)
        mixed, kept = [], []
        for piece in ctx.pieces:
            dense_q, dense_k, dense_v = (t[piece].flatten(merged, merged + 1) for t in (q, k, v))
            with _precision(q, exchange):
                weights = _weights(dense_q, dense_k, bias, scale, exchange)
                part = weights.to(v.dtype) @ dense_v
            mixed.append(part.unflatten(merged, q[piece].shape[merged : merged + 2]))
            kept += [weights] if keeps else []
        ctx.save_for_backward(q, k, v, bias, *kept)
        return _joined(mixed)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, bias, *kept = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        found: list[list[Tensor]] = [[], [], []]
        to_bias = None
        for index, piece in enumerate(ctx.pieces):
            a, b, c, to = (t[piece].flatten(ctx.merged, ctx.merged + 1) for t in (q, k, v, gradient))
            weights = kept[index] if kept else _weights(a, b, bias, ctx.scale, ctx.exchange)
            to_logits = _through_softmax((to @ c.mT).to(weights.dtype), weights, b, ctx.exchange)
            narrow = to_logits.to(q.dtype)
            to_q = _scaled(narrow @ b, ctx.scale) if wanted[0] else None
            to_k = narrow.mT @ _scaled(a, ctx.scale) if wanted[1] else None
            to_v = weights.to(v.dtype).mT @ to if wanted[2] else None
            if ctx.exchange and to_k is not None and to_v is not None:
                # Of one tensor, so one gradient: autograd would add the two to what else reaches it one by one.
                to_k, to_v = to_v + to_k, None
            apart = q[piece].shape[ctx.merged : ctx.merged + 2]
            for parts, part in zip(found, (to_q, to_k, to_v), strict=True):
                parts += [] if part is None else [part.unflatten(ctx.merged, apart)]
            if wanted[3]:
                added = _summed(to_logits, bias, b)
                to_bias = added if to_bias is None else to_bias + added
        to_bias = None if to_bias is None else to_bias.to(bias.dtype)
        return *(_joined(parts) if parts else None for parts in found), to_bias, None, None, None


def _weights(q: Tensor, k: Tensor, bias: Tensor | None, scale: float, exchange: bool) -> Tensor:
    """softmax(scale · q kᵀ + bias): (…, l, d), (…, m, d) -> (…, l, m) in float32 at least."""
    q, k = (q.float(), k.float()) if exchange else (_scaled(q, scale), k)
    columns = _along_columns(k, exchange)
    logits = k @ q.mT if columns else q @ k.mT
    if bias is not None:
        logits = logits + (bias.mT if columns else bias)
    weights = logits.softmax(-2 if columns else -1, dtype=torch.promote_types(logits.dtype, torch.float32))
    return weights.mT if columns else weights


def _through_softmax(to_weights: Tensor, weights: Tensor, k: Tensor, exchange: bool) -> Tensor:
    """The gradient of logits from that of weights: (…, l, m) each -> same."""
    if _along_columns(k, exchange):
        return torch.ops.aten._softmax_backward_data(to_weights.mT, weights.mT, -2, weights.dtype).mT
    return torch.ops.aten._softmax_backward_data(to_weights, weights, -1, weights.dtype)


def _summed(to_logits: Tensor, bias: Tensor, k: Tensor) -> Tensor:
    """The gradient of the bias, added up in the order in which the logits lie."""
    if _along_columns(k, exchange=False):
        return to_logits.mT.sum_to_size(bias.mT.shape).mT
    return to_logits.sum_to_size(bias.shape)


def _along_columns(k: Tensor, exchange: bool) -> bool:
    return not exchange and k.device.type == "cpu" and k.shape[-2] < LEAST_PLAIN_ROWS


def _precision(x: Tensor, exchange: bool) -> AbstractContextManager[Any]:
    """An exchange is computed in the precision that is written here, attention in that of autocast."""
    return torch.autocast(x.device.type, enabled=False) if exchange else nullcontext()


def _scaled(q: Tensor, scale: float) -> Tensor:
    return q if scale == 1 else q * scale


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _pieces(q: Tensor, k: Tensor) -> list[slice]:
    """Slices along the first axis, of clips whose attention weights stay in the processor's cache together."""
    at_once = max(1, CACHED // (q.shape[1:-1].numel() * k.shape[-2]))
    return [slice(start, start + at_once) for start in range(0, len(q), at_once)]
