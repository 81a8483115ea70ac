"""The two precisions that a golden file is checked in, and what each allows."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from backbones.backbone import cast_projections
from benchmark.model.model import Precision
from benchmark.verify.comparison import Kind, Tolerance

BF16_FORWARD = 0.2
"""In bfloat16, of the largest recorded magnitude of the same tensor; of a loss, of the sum of its terms' magnitudes."""
BF16_GRADIENT = 0.2
"""In bfloat16, of the largest recorded gradient of the same pass."""
BF16_GRADIENT_OF_BATCH_STATISTICS = 1.0
"""The same where batch norm takes its statistics from a few dozen tokens, whose gradients nearly cancel."""


def autocast(precision: Precision) -> AbstractContextManager[None]:
    """As `AudioVisualModel` runs: bfloat16 autocast, or nothing."""
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")


def hold_weights(frozen: Iterable[nn.Module], precision: Precision) -> None:
    """As `AudioVisualModel` holds frozen weights."""
    if precision == "bf16":
        for module in frozen:
            cast_projections(module, torch.bfloat16)


class Bf16Bounds:
    """What bfloat16, which keeps 8 bits of each summand, may differ by in one pass.

    Args:
        gradients: every recorded gradient of the pass.
        losses: each output that enters the loss, and its weight.
        batch_statistics: whether batch norm was in training.
    """

    def __init__(
        self, gradients: Iterable[Tensor], losses: Iterable[tuple[Tensor, Tensor]], batch_statistics: bool = False
    ) -> None:
        share = BF16_GRADIENT_OF_BATCH_STATISTICS if batch_statistics else BF16_GRADIENT
        self.gradient = Tolerance(share * largest(gradients))
        self.loss = Tolerance(BF16_FORWARD * sum(float((x * weight).abs().sum()) for x, weight in losses))

    def __call__(self, key: str, kind: Kind, recorded: Tensor) -> Tolerance:
        if kind == "gradient":
            return self.gradient
        return self.loss if key.endswith("loss") else Tolerance(BF16_FORWARD * largest([recorded]))


def largest(tensors: Iterable[Tensor]) -> float:
    """The largest magnitude in any of the tensors; 0 without one."""
    return max((float(t.abs().max()) for t in tensors if t.numel()), default=0.0)
