"""Attention among a few tokens, such as the segments of a clip, as one kernel on CUDA.

Fused attention kernels work on tiles of 64 or 128 tokens: of ten segments they compute six times too much. Batched
products copy queries, keys and values into order first. Here a group of tokens is one tile, read where the projection
left it, so that the time is that of reading and writing once.
"""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec

import torch
from torch import Tensor

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
    if not compiler or find_spec("triton") is None or not torch.cuda.is_available():
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
    from backbones.kernels.attention_triton import forward

    return forward(q, k, v, bias, scale)


@attend_few.register_fake
def _(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    return like_projection(q)


@torch.library.custom_op(
    "av_adapter_bench::attend_few_backward",
    mutates_args=(),
    schema="(Tensor gradient, Tensor q, Tensor k, Tensor v, Tensor? bias, float scale) "
    "-> (Tensor, Tensor, Tensor, Tensor)",
)
def _backward(
    gradient: Tensor, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of q, k, v (B, L, H, T, d) and of the bias, in parts to be summed (programs, H, T, T)."""
    from backbones.kernels.attention_triton import backward

    return backward(gradient, q, k, v, bias, scale)


@_backward.register_fake
def _(
    gradient: Tensor, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return like_projection(q), like_projection(q), like_projection(q), bias_parts(q, bias)


def _keep(ctx: torch.autograd.function.FunctionCtx, inputs: tuple, output: Tensor) -> None:
    q, k, v, bias, ctx.scale = inputs  # type: ignore[attr-defined]
    ctx.save_for_backward(q, k, v, bias)


def _differentiate(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
    q, k, v, bias = ctx.saved_tensors  # type: ignore[attr-defined]
    dq, dk, dv, parts = _backward(gradient, q, k, v, bias, ctx.scale)  # type: ignore[attr-defined]
    return dq, dk, dv, None if bias is None else parts.sum(0).to(bias.dtype), None


attend_few.register_autograd(_differentiate, setup_context=_keep)


def like_projection(q: Tensor) -> Tensor:
    """An empty (B, L, H, T, d) laid out as (B, T, L, H, d), as a projection of tokens is."""
    batch, length, heads, tokens, width = q.shape
    return q.new_empty(batch, tokens, length, heads, width).permute(0, 2, 3, 1, 4)


def bias_parts(q: Tensor, bias: Tensor | None) -> Tensor:
    """An empty (programs, H, T, T) in float32; without a bias an empty one of no programs."""
    batch, length, heads, tokens, _ = q.shape
    programs = 0 if bias is None else -(-batch * length // GROUPS_OF_A_PROGRAM)
    return q.new_empty(programs, heads, tokens, tokens, dtype=torch.float32)
