"""Linear maps on CPU by oneDNN, which torch brings along, where its own way there is slower."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

SMALLEST = {torch.float32: 2**22, torch.bfloat16: 2**27}
"""Products of fewer multiplications stay with torch's own choice, which starts faster."""

_onednn = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
# The gain was measured with AVX-512 only; with AVX2 both libraries are as fast.
_ONEDNN_IS_FASTER = _onednn is not None and torch.backends.cpu.get_cpu_capability() == "AVX512"


class Linear(nn.Linear):
    """`nn.Linear` by `multiply`, frozen or trained."""

    def forward(self, x: Tensor) -> Tensor:
        """(…, D_in) -> (…, D_out)"""
        return multiply(x, self.weight, self.bias)


def linear_of(weight: nn.Parameter, bias: nn.Parameter | None) -> Linear:
    """A `Linear` on parameters that live elsewhere; nothing is copied."""
    linear = Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    linear.weight = weight
    linear.register_parameter("bias", bias)
    return linear


def multiply(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`F.linear`, large ones on CPU by oneDNN: (…, D_in), (D_out, D_in), (D_out) -> (…, D_out).

    torch multiplies float32 matrices by MKL, which on an AMD processor with AVX-512 reaches half of what oneDNN does.
    In bfloat16 it takes oneDNN too, but copies the bias into every row of the result first; adding it while the result
    is written gives the same bits.
    """
    if not prefers_onednn(x, weight, bias):
        return F.linear(x, weight, bias)
    product: Tensor = _Product.apply(x.to(weight.dtype), weight, bias)
    return product


def prefers_onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Whether `multiply` leaves torch's own way."""
    if not _ONEDNN_IS_FASTER or x.device.type != "cpu":
        return False
    if x.numel() * len(weight) < SMALLEST.get(weight.dtype, math.inf):
        return False
    multiplied_in = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
    if weight.dtype != multiplied_in:
        return False
    return weight.dtype == torch.float32 or (bias is not None and bias.dtype == weight.dtype)


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
            _weight_gradient(rows, x.flatten(0, -2)) if to_weight else None,
            rows.sum(0) if to_bias else None,
        )


def _weight_gradient(gradient: Tensor, x: Tensor) -> Tensor:
    """(M, D_out), (M, D_in) -> (D_out, D_in), over the fewer rows, where oneDNN is up to four times as fast."""
    flipped = gradient.shape[1] > x.shape[1]
    few, many = (x, gradient) if flipped else (gradient, x)
    product: Tensor = torch.ops.avbench_linear.multiply(few.t(), many.t(), None)
    return product.t() if flipped else product


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
