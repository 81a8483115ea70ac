"""OpenAI's approximation of GELU, keeping one tensor for the backward pass instead of two."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

STEEPNESS = 1.702


CACHED = 2**19
"""Numbers that go through all steps at once on CPU: a piece stays in the processor's cache between them."""


class _QuickGelu(Function):
    """Step by step what autograd does for `x * sigmoid(1.702 x)`, so that values and gradients have the same bits."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        result = torch.empty_like(x, memory_format=torch.contiguous_format)
        for part, to in zip(_pieces(x), _pieces(result), strict=True):
            torch.mul(part, STEEPNESS, out=to).sigmoid_().mul_(part)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        result = torch.empty_like(x, memory_format=torch.contiguous_format)
        for part, above, to in zip(_pieces(x), _pieces(gradient), _pieces(result), strict=True):
            gate = (part * STEEPNESS).sigmoid_()
            through_gate = torch.ops.aten.sigmoid_backward(above * part, gate).mul_(STEEPNESS)
            torch.mul(above, gate, out=to).add_(through_gate)
        return result


def _pieces(x: Tensor) -> tuple[Tensor, ...]:
    return x.reshape(-1).split(CACHED if x.device.type == "cpu" else max(1, x.numel()))


class QuickGelu(nn.Module):
    """x · sigmoid(1.702 x): (…, D) -> (…, D)"""

    def forward(self, x: Tensor) -> Tensor:
        if torch.compiler.is_compiling():
            # A compiler fuses it with its neighbours, and then decides by itself what to keep.
            return x * torch.sigmoid(STEEPNESS * x)
        result: Tensor = _QuickGelu.apply(x)
        return result


def read_activation(activation: nn.Module) -> nn.Module:
    """open_clip's QuickGELU as the one here; any other activation as it is."""
    from open_clip.transformer import QuickGELU  # noqa: PLC0415 (seconds, for CLIP alone)

    return QuickGelu() if type(activation) is QuickGELU else activation
