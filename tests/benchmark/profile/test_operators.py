from __future__ import annotations

import pytest
import torch

from benchmark.profile.operators import LISTED, longest


def test_the_longest_come_first_and_nothing_is_left_out() -> None:
    weight = torch.randn(300, 300, requires_grad=True)

    def step() -> None:
        for _ in range(5):
            torch.relu(weight @ weight).sum().backward()

    listed = longest(step, torch.device("cpu"), seconds=1.0)
    assert listed[0]["name"] == "aten::mm"
    assert listed[0]["calls"] == 15
    assert listed[-1]["name"] == "(the rest)"
    assert len(listed) <= LISTED + 1
    milliseconds = [entry["ms"] for entry in listed[:-1]]
    assert milliseconds == sorted(milliseconds, reverse=True)
    assert sum(entry["share"] for entry in listed) == pytest.approx(1.0)
