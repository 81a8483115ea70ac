"""Softmax attention over grouped tokens, and the one place that chooses how it is computed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor
from torch.nn import functional as F

from backbones.kernels.products import attend_by_products, attend_keeping_little

LONGEST_PLAIN_ON_CPU = {torch.float32: 64, torch.bfloat16: 384, torch.float16: 384}
"""Up to this many keys, plain products beat the fused kernel on CPU. Forward and backward together, in reduced
precision: 4 times at 49 keys, 2 to 3 times at 144 and 197, 1.4 times at 324; in float32: 2.5 times at 10 keys, 1.25
times at 49, level at 144."""

LARGEST_KEPT = 2**20
"""Attention weights and copies of queries, keys and values beyond this many numbers are made again in the backward
pass, as fused kernels do; for fewer the detour costs more than the memory is worth. In float32 the weights are kept:
there the fused kernel is what they compete with, it keeps what it puts out, which is as large, and making them again
would take what plain products gain at 49 keys."""

LARGEST_BATCH_ON_CUDA = 65_535
"""Of the library's fused kernels; attention over time has a batch entry for each place of each picture."""


_weights_are_short_lived: ContextVar[bool] = ContextVar("weights_are_short_lived", default=False)


@contextmanager
def short_lived_weights() -> Iterator[None]:
    """Within, large attention weights are kept: what is computed comes right before its backward pass."""
    token = _weights_are_short_lived.set(True)
    try:
        yield
    finally:
        _weights_are_short_lived.reset(token)


def attend_in_groups(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    """softmax(scale · q kᵀ + bias) v: q (N, G, H, l, d), k and v (N, G, H, m, d) -> (N, G, H, l, d).

    Args:
        bias: (H, l, m), the same in every group, or (G, H, l, m).
    """
    # A bias of its own in each group broadcasts over clips only if groups lie on the head axis.
    axis = 1 if bias is not None and bias.ndim == 4 else 0
    bias = bias.flatten(0, 1) if bias is not None and axis else bias
    plain = _prefers_plain(k)
    if plain and _too_large_to_keep(q, k):
        few = q.shape[:-1].numel() * k.shape[-2] <= LARGEST_KEPT
        keep = few or q.dtype == torch.float32 or _weights_are_short_lived.get()
        return attend_keeping_little(q, k, v, bias, scale, axis=axis, keep_weights=keep)
    run = attend_by_products if plain else _fused
    shape = q.shape[axis : axis + 2]
    q, k, v = (t.flatten(axis, axis + 1) for t in (q, k, v))
    return run(q, k, v, bias, scale).unflatten(axis, shape)


def attend_over_few(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    """`attend_in_groups` of many small groups, such as the segments at each place of a picture: same shapes.

    Args:
        bias: (H, l, m), the same in every group.
    """
    if q.is_cuda:
        # Operators of our own bring torch's compiler along, whose import takes seconds.
        from backbones.kernels import few_tokens

        if few_tokens.takes(q, k, v):
            mixed: Tensor = few_tokens.attend_few(q, k, v, bias, scale)
            return mixed
    return attend_in_groups(q, k, v, bias, scale)


def _prefers_plain(k: Tensor) -> bool:
    return k.device.type == "cpu" and k.shape[-2] <= LONGEST_PLAIN_ON_CPU.get(k.dtype, 0)


def _fused(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    mask = None if bias is None else bias.to(q.dtype)[None]
    if not q.is_cuda or len(q) <= LARGEST_BATCH_ON_CUDA:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)
    pieces = zip(*(t.split(LARGEST_BATCH_ON_CUDA) for t in (q, k, v)), strict=True)
    return torch.cat([F.scaled_dot_product_attention(a, b, c, mask, scale=scale) for a, b, c in pieces])


def _too_large_to_keep(q: Tensor, k: Tensor) -> bool:
    """Whether the backward pass would keep large weights or copies."""
    largest = q.shape[:-1].numel() * max(k.shape[-2], q.shape[-1])
    return torch.is_grad_enabled() and largest > LARGEST_KEPT
