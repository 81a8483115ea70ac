"""Softmax attention over grouped tokens, and the one place that chooses how it is computed."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

LONGEST_PLAIN_ON_CPU = 128
"""Below this many keys, plain products beat the fused kernel on CPU in reduced precision: 3 to 10 times up to 65 keys,
level at about 190. In float32 the fused kernel is never far behind."""

LARGEST_KEPT = 2**20
"""Attention weights beyond this many are computed again in the backward pass, as fused kernels do; for fewer the detour
costs more than the memory is worth."""

LARGEST_BATCH_ON_CUDA = 65_535
"""Of the library's fused kernels; attention over time has a batch entry for each place of each picture."""

LEAST_PLAIN_ROWS = 16
"""A softmax over shorter rows than a vector register holds is taken along columns on CPU, 3 to 8 times as fast."""


def attend_in_groups(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    """softmax(scale · q kᵀ + bias) v: q (N, G, H, l, d), k and v (N, G, H, m, d) -> (N, G, H, l, d).

    Args:
        bias: (H, l, m), the same in every group, or (G, H, l, m).
    """
    # A bias of its own in each group broadcasts over clips only if groups lie on the head axis.
    axis = 1 if bias is not None and bias.ndim == 4 else 0
    bias = bias.flatten(0, 1) if bias is not None and axis else bias
    run = _plain if _prefers_plain(k) else _fused
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


def _plain(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    if not torch.is_grad_enabled() or q.shape[:-1].numel() * k.shape[-2] <= LARGEST_KEPT or k.is_meta:
        return _products(q, k, v, bias, scale)
    # On the meta device operations are counted, and nothing may count twice.
    mixed: Tensor = checkpoint(_products, q, k, v, bias, scale, use_reentrant=False, preserve_rng_state=False)
    return mixed


def _products(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    along_columns = q.device.type == "cpu" and k.shape[-2] < LEAST_PLAIN_ROWS
    logits = k @ (q * scale).mT if along_columns else (q * scale) @ k.mT
    if bias is not None:
        logits = logits + (bias.mT if along_columns else bias)
    weights = logits.softmax(-2 if along_columns else -1, dtype=torch.promote_types(logits.dtype, torch.float32))
    return (weights.mT if along_columns else weights).to(v.dtype) @ v
