"""Attention among a few tokens, such as the segments of a clip, as one kernel on CUDA, written in Triton.

Fused attention kernels work on tiles of 64 or 128 tokens: of ten segments they compute six times too much. Batched
products copy queries, keys and values into order first. Here a group of tokens is one tile, read where the projection
left it, so that the time is that of reading and writing once.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

try:
    import triton
    import triton.language as tl
except ImportError:  # torch brings it along on Linux alone
    triton = None

LONGEST = 32
"""Tokens of a group that are few: up to these a group is one tile of registers."""
WIDEST = 128
"""Values of a head, likewise."""
SMALLEST_TILE = 16
"""Of the GPU's matrix units, in each direction."""
GROUPS_OF_A_PROGRAM = 4
FIRST_WITH_BFLOAT16 = 8
"""Compute capability."""


def _kernels_can_be_built() -> bool:
    # Triton compiles a small launcher in C.
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang") or shutil.which("cc")
    if not compiler or triton is None or not torch.cuda.is_available():
        return False
    return torch.cuda.get_device_capability()[0] >= FIRST_WITH_BFLOAT16


BUILDABLE = _kernels_can_be_built()
"""Whether this machine can; looked at once, since `torch.compile` cannot follow the looking."""


def takes(q: Tensor, k: Tensor, v: Tensor) -> bool:
    """Whether `attend_few` computes these: few tokens (B, L, H, T, d) of one type, where its kernel can be built."""
    alike = q.shape == k.shape == v.shape and q.dtype == k.dtype == v.dtype
    few = q.shape[-2] <= LONGEST and q.shape[-1] <= WIDEST
    return q.is_cuda and alike and few and BUILDABLE


@torch.library.custom_op(
    "av_adapter_bench::attend_few",
    mutates_args=(),
    schema="(Tensor q, Tensor k, Tensor v, Tensor? bias, float scale) -> Tensor",
)
def attend_few(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    """softmax(scale · q kᵀ + bias) v: (B, L, H, T, d) each -> same, laid out as (B, T, L, H, d).

    Args:
        bias: (H, T, T), the same in every group.
    """
    return _run_forward(q, k, v, bias, scale)


@attend_few.register_fake
def _(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    return _like_projection(q)


@torch.library.custom_op(
    "av_adapter_bench::attend_few_backward",
    mutates_args=(),
    schema="(Tensor gradient, Tensor q, Tensor k, Tensor v, Tensor? bias, float scale) "
    "-> (Tensor, Tensor, Tensor, Tensor)",
)
def _attend_few_backward(
    gradient: Tensor, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of q, k, v (B, L, H, T, d) and of the bias, in parts to be summed (programs, H, T, T)."""
    return _run_backward(gradient, q, k, v, bias, scale)


@_attend_few_backward.register_fake
def _(
    gradient: Tensor, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return _like_projection(q), _like_projection(q), _like_projection(q), _bias_parts(q, bias)


def _keep(ctx: torch.autograd.function.FunctionCtx, inputs: tuple, output: Tensor) -> None:
    q, k, v, bias, ctx.scale = inputs  # type: ignore[attr-defined]
    ctx.save_for_backward(q, k, v, bias)


def _differentiate(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
    q, k, v, bias = ctx.saved_tensors  # type: ignore[attr-defined]
    dq, dk, dv, parts = _attend_few_backward(gradient, q, k, v, bias, ctx.scale)  # type: ignore[attr-defined]
    return dq, dk, dv, None if bias is None else parts.sum(0).to(bias.dtype), None


attend_few.register_autograd(_differentiate, setup_context=_keep)


def _like_projection(q: Tensor) -> Tensor:
    """An empty (B, L, H, T, d) laid out as (B, T, L, H, d), as a projection of tokens is."""
    batch, length, heads, tokens, width = q.shape
    return q.new_empty(batch, tokens, length, heads, width).permute(0, 2, 3, 1, 4)


def _bias_parts(q: Tensor, bias: Tensor | None) -> Tensor:
    """An empty (programs, H, T, T) in float32; without a bias an empty one of no programs."""
    batch, length, heads, tokens, _ = q.shape
    programs = 0 if bias is None else -(-batch * length // GROUPS_OF_A_PROGRAM)
    return q.new_empty(programs, heads, tokens, tokens, dtype=torch.float32)


def _run_forward(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    """See `attend_few`."""
    q, k, v = (_rows(t) for t in (q, k, v))
    bias = None if bias is None else bias.contiguous()
    out = _like_projection(q)
    _forward[_grid(q)](
        *(q, k, v, bias if bias is not None else q, out),
        *(*_strides(q), *_strides(k), *_strides(v), *_strides(out)),
        *_sizes(q),
        scale,
        **_constants(q, bias),
    )
    return out


def _run_backward(
    gradient: Tensor, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of q, k, v and parts of that of the bias; nothing was kept but q, k and v themselves."""
    gradient, q, k, v = (_rows(t) for t in (gradient, q, k, v))
    bias = None if bias is None else bias.contiguous()
    # One layout for the three, so that one set of strides serves.
    dq, dk, dv, parts = _like_projection(q), _like_projection(q), _like_projection(q), _bias_parts(q, bias)
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


def _jit(kernel: Callable[..., None]) -> Any:
    return kernel if triton is None else triton.jit(kernel)


@_jit
def _weights(q, k, bias, scale, tokens, head, tile: tl.constexpr, biased: tl.constexpr, precision: tl.constexpr):
    row, column = tl.arange(0, tile)[:, None], tl.arange(0, tile)[None, :]
    logits = tl.dot(q, tl.trans(k), input_precision=precision) * scale
    inside = (row < tokens) & (column < tokens)
    if biased:
        logits += tl.load(bias + (head * tokens + row) * tokens + column, inside, 0.0).to(tl.float32)
    logits = tl.where(column < tokens, logits, float("-inf"))
    weights = tl.exp(logits - tl.max(logits, 1)[:, None])
    return weights / tl.sum(weights, 1)[:, None]


@_jit
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


@_jit
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
