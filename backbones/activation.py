"""OpenAI's approximation of GELU, keeping one tensor for the backward pass instead of two."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

STEEPNESS = 1.702


class _QuickGelu(Function):
    """Step by step what autograd does for `x * sigmoid(1.702 x)`, so that values and gradients have the same bits."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * torch.sigmoid(STEEPNESS * x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        gate = torch.sigmoid(STEEPNESS * x)
        through_gate = torch.ops.aten.sigmoid_backward(gradient * x, gate) * STEEPNESS
        return (gradient * gate).add_(through_gate)


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
    from open_clip.transformer import QuickGELU

    return QuickGelu() if type(activation) is QuickGELU else activation
