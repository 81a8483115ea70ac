"""The kernels behind `backbones.kernels.few_tokens`, in Triton."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from backbones.kernels.few_tokens import GROUPS_OF_A_PROGRAM, SMALLEST_TILE, bias_parts, like_projection


def forward(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    """See `backbones.kernels.few_tokens.attend_few`."""
    q, k, v = (_rows(t) for t in (q, k, v))
    bias = None if bias is None else bias.contiguous()
    out = like_projection(q)
    _forward[_grid(q)](
        *(q, k, v, bias if bias is not None else q, out),
        *(*_strides(q), *_strides(k), *_strides(v), *_strides(out)),
        *_sizes(q),
        scale,
        **_constants(q, bias),
    )
    return out


def backward(
    gradient: Tensor, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of q, k, v and parts of that of the bias; nothing was kept but q, k and v themselves."""
    gradient, q, k, v = (_rows(t) for t in (gradient, q, k, v))
    bias = None if bias is None else bias.contiguous()
    # One layout for the three, so that one set of strides serves.
    dq, dk, dv, parts = like_projection(q), like_projection(q), like_projection(q), bias_parts(q, bias)
    _backward[_grid(q)](
        *(gradient, q, k, v, bias if bias is not None else q, dq, dk, dv, parts),
        *(*_strides(gradient), *_strides(q), *_strides(k), *_strides(v), *_strides(dq)),
        *_sizes(q),
        scale,
        **_constants(q, bias),
    )
    return dq, dk, dv, parts


def _rows(t: Tensor) -> Tensor:
    """With the values of a token side by side."""
    return t if t.stride(-1) == 1 else t.contiguous()


def _strides(t: Tensor) -> tuple[int, ...]:
    return t.stride()[:4]


def _sizes(q: Tensor) -> tuple[int, ...]:
    """Groups, groups of a clip, tokens of a group."""
    batch, length, _, tokens, _ = q.shape
    return batch * length, length, tokens


def _grid(q: Tensor) -> tuple[int, int]:
    # Heads first: those of one token lie side by side in memory.
    return q.shape[2], triton.cdiv(q.shape[0] * q.shape[1], GROUPS_OF_A_PROGRAM)


def _constants(q: Tensor, bias: Tensor | None) -> dict[str, object]:
    tile, wide = (max(SMALLEST_TILE, triton.next_power_of_2(size)) for size in q.shape[-2:])
    return {
        "width": q.shape[-1],
        "tile": tile,
        "wide": wide,
        "per_program": GROUPS_OF_A_PROGRAM,
        "biased": bias is not None,
        # The default would round float32 to fewer digits.
        "precision": "ieee" if q.dtype == torch.float32 else "tf32",
        "num_warps": 1 if tile == SMALLEST_TILE else 2,
    }


@triton.jit
def _weights(q, k, bias, scale, tokens, head, tile: tl.constexpr, biased: tl.constexpr, precision: tl.constexpr):
    row, column = tl.arange(0, tile)[:, None], tl.arange(0, tile)[None, :]
    logits = tl.dot(q, tl.trans(k), input_precision=precision) * scale
    inside = (row < tokens) & (column < tokens)
    if biased:
        logits += tl.load(bias + (head * tokens + row) * tokens + column, inside, 0.0).to(tl.float32)
    logits = tl.where(column < tokens, logits, float("-inf"))
    weights = tl.exp(logits - tl.max(logits, 1)[:, None])
    return weights / tl.sum(weights, 1)[:, None]


@triton.jit
def _forward(
    q, k, v, bias, out,
    q_b, q_l, q_h, q_t, k_b, k_l, k_h, k_t, v_b, v_l, v_h, v_t, o_b, o_l, o_h, o_t,
    groups, length, tokens, scale,
    width: tl.constexpr, tile: tl.constexpr, wide: tl.constexpr, per_program: tl.constexpr, biased: tl.constexpr,
    precision: tl.constexpr,
):  # fmt: skip
    head, first = tl.program_id(0), tl.program_id(1) * per_program
    row, value = tl.arange(0, tile)[:, None], tl.arange(0, wide)[None, :]
    for group in range(first, tl.minimum(first + per_program, groups)):
        clip, place = (group // length).to(tl.int64), (group % length).to(tl.int64)
        inside = (row < tokens) & (value < width)
        q_tile = tl.load(q + clip * q_b + place * q_l + head * q_h + row * q_t + value, inside, 0.0)
        k_tile = tl.load(k + clip * k_b + place * k_l + head * k_h + row * k_t + value, inside, 0.0)
        v_tile = tl.load(v + clip * v_b + place * v_l + head * v_h + row * v_t + value, inside, 0.0)
        weights = _weights(q_tile, k_tile, bias, scale, tokens, head, tile, biased, precision)
        mixed = tl.dot(weights.to(v_tile.dtype), v_tile, input_precision=precision)
        tl.store(out + clip * o_b + place * o_l + head * o_h + row * o_t + value, mixed.to(v_tile.dtype), inside)


@triton.jit
def _backward(
    gradient, q, k, v, bias, dq, dk, dv, parts,
    g_b, g_l, g_h, g_t, q_b, q_l, q_h, q_t, k_b, k_l, k_h, k_t, v_b, v_l, v_h, v_t, d_b, d_l, d_h, d_t,
    groups, length, tokens, scale,
    width: tl.constexpr, tile: tl.constexpr, wide: tl.constexpr, per_program: tl.constexpr, biased: tl.constexpr,
    precision: tl.constexpr,
):  # fmt: skip
    head, first = tl.program_id(0), tl.program_id(1) * per_program
    row, value = tl.arange(0, tile)[:, None], tl.arange(0, wide)[None, :]
    column = tl.arange(0, tile)[None, :]
    of_bias = tl.zeros((tile, tile), tl.float32)
    for group in range(first, tl.minimum(first + per_program, groups)):
        clip, place = (group // length).to(tl.int64), (group % length).to(tl.int64)
        inside = (row < tokens) & (value < width)
        g_tile = tl.load(gradient + clip * g_b + place * g_l + head * g_h + row * g_t + value, inside, 0.0)
        q_tile = tl.load(q + clip * q_b + place * q_l + head * q_h + row * q_t + value, inside, 0.0)
        k_tile = tl.load(k + clip * k_b + place * k_l + head * k_h + row * k_t + value, inside, 0.0)
        v_tile = tl.load(v + clip * v_b + place * v_l + head * v_h + row * v_t + value, inside, 0.0)
        weights = _weights(q_tile, k_tile, bias, scale, tokens, head, tile, biased, precision)
        of_weights = tl.dot(g_tile, tl.trans(v_tile), input_precision=precision)
        of_logits = weights * (of_weights - tl.sum(weights * of_weights, 1)[:, None])
        of_bias += of_logits
        of_products = (of_logits * scale).to(q_tile.dtype)
        of_q = tl.dot(of_products, k_tile, input_precision=precision)
        of_k = tl.dot(tl.trans(of_products), q_tile, input_precision=precision)
        of_v = tl.dot(tl.trans(weights.to(g_tile.dtype)), g_tile, input_precision=precision)
        at = clip * d_b + place * d_l + head * d_h + row * d_t + value
        tl.store(dq + at, of_q.to(q_tile.dtype), inside)
        tl.store(dk + at, of_k.to(k_tile.dtype), inside)
        tl.store(dv + at, of_v.to(v_tile.dtype), inside)
    if biased:
        at = ((tl.program_id(1) * tl.num_programs(0) + head) * tokens + row) * tokens + column
        tl.store(parts + at, of_bias, (row < tokens) & (column < tokens))
