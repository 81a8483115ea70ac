"""Softmax attention over grouped tokens, and the one place that chooses how it is computed."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from backbones.products import attend_by_products, attend_keeping_little

LONGEST_PLAIN_ON_CPU = 384
"""Up to this many keys, plain products beat the fused kernel on CPU in reduced precision: 4 times at 49 keys, 2 to 3
times at 144 and 197, 1.4 times at 324, forward and backward together. In float32 the fused kernel is never far
behind."""

LARGEST_KEPT = 2**20
"""Attention weights and copies of queries, keys and values beyond this many numbers are made again in the backward
pass, as fused kernels do; for fewer the detour costs more than the memory is worth."""

LARGEST_BATCH_ON_CUDA = 65_535
"""Of the library's fused kernels; attention over time has a batch entry for each place of each picture."""


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
        return attend_keeping_little(q, k, v, bias, scale, axis=axis, keep_weights=few)
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
        from backbones import few_tokens

        if few_tokens.takes(q, k, v):
            mixed: Tensor = few_tokens.attend_few(q, k, v, bias, scale)
            return mixed
    return attend_in_groups(q, k, v, bias, scale)


def _prefers_plain(k: Tensor) -> bool:
    if k.device.type != "cpu":
        return False
    return k.dtype in (torch.bfloat16, torch.float16) and k.shape[-2] <= LONGEST_PLAIN_ON_CPU


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
