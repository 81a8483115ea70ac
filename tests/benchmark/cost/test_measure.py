"""Peaks of memory, in a process of their own: what tests before have freed would be used again without a trace."""

from __future__ import annotations

import subprocess
import sys

import pytest

MEBIBYTES = 2**18
"""Numbers of float32."""


def measured(script: str) -> list[float]:
    """What a script prints, which has torch, the class and the number of numbers in a MiB."""
    head = f"import torch; from benchmark.cost.measure import PeakMemory; MIB = {MEBIBYTES}\n"
    done = subprocess.run([sys.executable, "-c", head + script], capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def test_a_peak_is_seen_after_it_is_gone():
    before, after = measured(
        "before = PeakMemory('cpu').read()\n"
        "memory = PeakMemory('cpu')\n"
        "big = torch.ones(50 * MIB)\n"
        "del big\n"
        "print(before, memory.read())"
    )
    assert after >= before + 40


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux can forget a peak")
def test_an_earlier_peak_is_forgotten():
    peak, later = measured(
        "memory = PeakMemory('cpu')\n"
        "big = torch.ones(100 * MIB)\n"
        "del big\n"
        "peak = memory.read()\n"
        "print(peak, PeakMemory('cpu').read())"
    )
    assert later <= peak - 80
