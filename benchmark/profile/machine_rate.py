"""The machine's own rate of matrix products, measured around what it is compared with."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from backbones.kernels.linear import multiply, prefers_onednn
from benchmark.cost.measure import wait_for

PRODUCT_SIDE = {"cpu": 3072, "cuda": 8192}
"""Of the square matrices whose product tells the machine's rate; smaller ones do not reach it."""

TRIES = 3


class Rates(NamedTuple):
    """Operations a second of a large product, 2 for a multiply-add.

    default: as torch multiplies by itself.
    fastest: as linear layers of a model do where they choose another library, in float32 on CPU; else the same.
    """

    default: float
    fastest: float


class Products:
    """Products of two square matrices.

    Args:
        side: of the matrices; None for `PRODUCT_SIDE`.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype, side: int | None = None) -> None:
        self.device = device
        self._side = side or PRODUCT_SIDE[device.type]
        self._left, self._right = (torch.randn(self._side, self._side, device=device).to(dtype) for _ in range(2))
        self.rates()

    def rates(self) -> Rates:
        """The best of three each."""
        default = self._rate(lambda: torch.nn.functional.linear(self._left, self._right))
        if not prefers_onednn(self._left, self._right, None):
            return Rates(default, default)
        return Rates(default, max(default, self._rate(lambda: multiply(self._left, self._right, None))))

    def _rate(self, product: Callable[[], object]) -> float:
        return 2 * self._side**3 / min(_seconds(product, self.device) for _ in range(TRIES))


@dataclass(frozen=True)
class Timed:
    """One step, and the better rates of the products just before and after it."""

    seconds: float
    rates: Rates


def timed(step: Callable[[], object], steps: int, products: Products) -> list[Timed]:
    """AccumulatingOptimizer, each between products."""
    found, before = [], products.rates()
    for _ in range(steps):
        seconds = _seconds(step, products.device)
        after = products.rates()
        found.append(Timed(seconds, Rates(*map(max, before, after))))
        before = after
    return found


def share(steps: Sequence[Timed], operations: int | None, *, of_fastest: bool = False) -> float | None:
    """The share of the machine's rate that steps of so many operations reach: the median over them.

    Each step is compared with the products timed beside it, so that a machine which slows down slows both.
    """
    if operations is None:
        return None
    return statistics.median(
        operations / t.seconds / (t.rates.fastest if of_fastest else t.rates.default) for t in steps
    )


def _seconds(step: Callable[[], object], device: torch.device) -> float:
    wait_for(device)
    begun = time.perf_counter()
    step()
    wait_for(device)
    return time.perf_counter() - begun
