"""What a run costs: its peak memory, and the forward operations of one clip."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path

import torch

_MIB = 2**20


class PeakMemory:
    """The most memory held since this object was made, in MiB.

    On a GPU what torch allocated there; on CPU what the process held in memory, the libraries' own code included.
    """

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            # Linux forgets the peak of earlier cells in the same process; elsewhere it is the process's whole life.
            with contextlib.suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5")

    def read(self) -> float:
        """MiB at the peak so far."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) / _MIB
        return _resident_peak() / _MIB


def _resident_peak() -> int:
    """Bytes."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return int(lines["VmHWM"].split()[0]) * 1024


def wait_for(place: torch.device | torch.nn.Module) -> None:
    """Until everything that was started on a device, or on that of a model, is done."""
    device = place if isinstance(place, torch.device) else next(place.parameters()).device
    if device.type == "cuda":
        torch.cuda.synchronize(device)
