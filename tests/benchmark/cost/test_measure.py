"""Peaks of memory, in a process of their own: what tests before have freed would be used again without a trace."""

from __future__ import annotations

import subprocess
import sys

import pytest

HELD_AND_GONE = """
import mmap, pathlib

def hold(mebibytes):
    # Straight from the kernel and back: an allocator might keep what is given back.
    with mmap.mmap(-1, mebibytes * 2**20) as memory:
        for page in range(0, len(memory), mmap.PAGESIZE):
            memory[page] = 1
"""


def measured(script: str) -> list[float]:
    """What a script prints, which has a function that holds memory for a moment."""
    done = subprocess.run([sys.executable, "-c", HELD_AND_GONE + script], capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


@pytest.fixture
def a_kernel_that_forgets():
    """Not every container may write the file, and elsewhere than on Linux there is none."""
    script = """
status, forget = pathlib.Path('/proc/self/status'), pathlib.Path('/proc/self/clear_refs')

def peak():
    return int(status.read_text().split('VmHWM:')[1].split()[0]) / 1024

hold(200)
before = peak()
forget.write_text('5')
print(before, peak())
"""
    try:
        before, after = measured(script)
    except subprocess.CalledProcessError:
        pytest.skip("this kernel does not let a process forget its peak")
    if after > before - 150:
        pytest.skip("this kernel keeps a peak that was to be forgotten")


def test_a_peak_is_seen_after_it_is_gone():
    before, after = measured(
        "from benchmark.cost.measure import PeakMemory\n"
        "before = PeakMemory('cpu').read()\n"
        "memory = PeakMemory('cpu')\n"
        "hold(200)\n"
        "print(before, memory.read())"
    )
    assert after >= before + 150


def test_an_earlier_peak_is_forgotten(a_kernel_that_forgets):
    peak, later = measured(
        "from benchmark.cost.measure import PeakMemory\n"
        "memory = PeakMemory('cpu')\n"
        "hold(400)\n"
        "print(memory.read(), PeakMemory('cpu').read())"
    )
    assert later <= peak - 300
