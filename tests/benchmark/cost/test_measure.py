from __future__ import annotations

import sys

import pytest
import torch

from benchmark.cost.measure import PeakMemory


def test_a_peak_is_seen_after_it_is_gone():
    before = PeakMemory("cpu").read()
    memory = PeakMemory("cpu")
    big = torch.ones(50 * 2**18)
    del big
    assert memory.read() >= before + 40


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux can forget a peak")
def test_an_earlier_peak_is_forgotten():
    memory = PeakMemory("cpu")
    big = torch.ones(100 * 2**18)
    del big
    peak = memory.read()
    assert PeakMemory("cpu").read() <= peak - 80
