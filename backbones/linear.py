"""Frozen linear maps, multiplied by the faster of the two libraries that torch brings for the CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

SMALLEST = 2**24
"""Products of fewer multiplications stay with torch's own choice, which starts faster."""

_onednn = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
# The gain was measured with AVX-512 only; with AVX2 both libraries are as fast.
_ONEDNN_IS_FASTER = _onednn is not None and torch.backends.cpu.get_cpu_capability() == "AVX512"


def apply_linear(linear: nn.Module, x: Tensor) -> Tensor:
    """What the module gives, a plain `nn.Linear` by `multiply`: (…, D_in) -> (…, D_out)."""
    return multiply(x, linear.weight, linear.bias) if type(linear) is nn.Linear else linear(x)


def multiply(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`F.linear`, large ones in float32 on CPU by oneDNN: (…, D_in), (D_out, D_in), (D_out) -> (…, D_out).

    torch multiplies float32 matrices by MKL, which on an AMD processor with AVX-512 reaches half of what oneDNN does.
    """
    if not prefers_onednn(x, weight):
        return F.linear(x, weight, bias)
    product: Tensor = _Product.apply(x, weight, bias)
    return product


def prefers_onednn(x: Tensor, weight: Tensor) -> bool:
    """Whether `multiply` leaves torch's own choice of library."""
    return (
        _ONEDNN_IS_FASTER
        and x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and x.numel() * len(weight) >= SMALLEST
    )


class _Product(Function):
    """Keeps the weight alone where that is frozen, as autograd does."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, weight)
        product: Tensor = torch.ops.avbench_linear.multiply(x, weight, bias)
        return product

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        to_x, to_weight, to_bias = ctx.needs_input_grad
        rows = gradient.flatten(0, -2)
        return (
            torch.ops.avbench_linear.multiply(gradient, weight.t(), None) if to_x else None,
            rows.t() @ x.flatten(0, -2) if to_weight else None,
            rows.sum(0) if to_bias else None,
        )


def _multiply_on_cpu(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    assert _onednn is not None
    product: Tensor = _onednn(x, weight, bias, "none", [], "")
    return product


def _shape_of_product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return x.new_empty((*x.shape[:-1], len(weight)))


# An operator of our own, because torch's compiler takes oneDNN's to have a constant for a weight.
_operators = torch.library.Library("avbench_linear", "DEF")
_operators.define("multiply(Tensor x, Tensor weight, Tensor? bias) -> Tensor")
_operators.impl("multiply", _multiply_on_cpu, "CPU")
_operators.impl("multiply", _shape_of_product, "Meta")
