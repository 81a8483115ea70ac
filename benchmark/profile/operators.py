"""Where the time of a step goes, operation by operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

LISTED = 20


def longest(step: Callable[[], None], device: torch.device, seconds: float) -> list[dict[str, Any]]:
    """The kernels of a GPU, or the operators on CPU, that one step spends most time in, the longest first.

    The last entry is everything that is not listed by name.

    Args:
        seconds: a step takes without being watched. On a GPU what no kernel fills of it is listed as waiting.

    Returns: dictionaries of name, calls, milliseconds, and share of all.
    """
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as watched:
        step()
    found = [
        (event.key, event.count, (event.self_device_time_total if on_gpu else event.self_cpu_time_total) / 1000)
        for event in watched.key_averages()
        if not on_gpu or event.device_type.name == "CUDA"
    ]
    # An optimiser's step is marked on the GPU as a whole, beside its kernels.
    found = [entry for entry in found if not entry[0].startswith("Optimizer.")]
    busy = sum(milliseconds for *_, milliseconds in found)
    if on_gpu and 1000 * seconds > busy:
        found.append(("(no kernel: the GPU waits)", 0, 1000 * seconds - busy))
    found.sort(key=lambda entry: -entry[2])
    rest = found[LISTED:]
    found = [*found[:LISTED], ("(the rest)", sum(e[1] for e in rest), sum(e[2] for e in rest))]
    total = sum(milliseconds for *_, milliseconds in found)
    return [{"name": n, "calls": calls, "ms": ms, "share": ms / total} for n, calls, ms in found]
