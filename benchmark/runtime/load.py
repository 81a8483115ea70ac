"""How busy others keep the machine while a cell is measured, so that its times can be judged."""

from __future__ import annotations

import os
import time
from pathlib import Path

from registry.machine import cores

_STAT = Path("/proc/stat")


class MachineLoad:
    """Threads that want to compute for each core, from its making until `read`: this process's own and all others'.

    Above 1, times are longer than the cell's own. Known on Linux alone.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._begun, self._busy, self._own = time.monotonic(), _busy_seconds(), _own_seconds()

    def read(self) -> float | None:
        """None where the system does not tell, or too little time has passed."""
        busy, elapsed = _busy_seconds(), time.monotonic() - self._begun
        if busy is None or self._busy is None or elapsed < 1:
            return None
        others = max(busy - self._busy - (_own_seconds() - self._own), 0.0) / elapsed
        return round((others + min(self._threads, cores())) / cores(), 2)


def _busy_seconds() -> float | None:
    """Of all cores, since the machine started: user, nice, system, irq, softirq and steal."""
    try:
        times = [int(word) for word in _STAT.read_text().partition("\n")[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    if len(times) < 8:
        return None
    return (sum(times) - times[3] - times[4]) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    """Of this process and of the children that have ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system
