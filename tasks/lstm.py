"""A recurrent net in reduced precision on every processor."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor, nn


def run_lstm(lstm: nn.LSTM, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """`lstm(x)`, in float32 under an autocast that the processor has no LSTM for: (N, W, D) -> (N, W, H), states.

    oneDNN takes reduced precision on any processor and then finds no LSTM where there is no AVX-512.
    """
    lacks = x.device.type == "cpu" and torch.is_autocast_enabled("cpu") and not _has_reduced_precision()
    with torch.autocast("cpu", enabled=False) if lacks else nullcontext():
        states: tuple[Tensor, tuple[Tensor, Tensor]] = lstm(x.float() if lacks else x)
        return states


def _has_reduced_precision() -> bool:
    supported: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return supported
