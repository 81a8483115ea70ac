from __future__ import annotations

import time

import pytest
import torch

from backbones.kernels import linear
from benchmark.profile import machine_rate
from benchmark.profile.machine_rate import Products, Rates, Timed, share, timed

CPU = torch.device("cpu")


def test_a_share_is_of_the_products_beside_the_step() -> None:
    steps = [Timed(2.0, Rates(10.0, 20.0)), Timed(1.0, Rates(20.0, 50.0)), Timed(4.0, Rates(10.0, 10.0))]
    assert share(steps, 10) == 0.5
    assert share(steps, 10, of_fastest=True) == 0.25
    assert share(steps, None) is None


def test_a_step_has_the_better_of_the_rates_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = iter([Rates(1, 8), Rates(2, 7), Rates(1, 6)])
    products = Products(CPU, torch.float32, side=4)
    monkeypatch.setattr(products, "rates", lambda: next(rates))
    found = timed(lambda: time.sleep(0.01), 2, products)
    assert [t.rates for t in found] == [Rates(2, 8), Rates(2, 7)]
    assert all(t.seconds >= 0.01 for t in found)


def test_the_rate_is_operations_over_the_shortest_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "_ONEDNN_IS_FASTER", False)
    products = Products(CPU, torch.float32, side=4)
    seconds = iter([4.0, 2.0, 8.0])
    monkeypatch.setattr(machine_rate, "_seconds", lambda step, device: next(seconds))
    assert products.rates() == Rates(64.0, 64.0)


@pytest.mark.usefixtures("onednn_at_any_size")
def test_the_library_of_linear_layers_has_a_rate_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {dtype: Products(CPU, dtype, side=4) for dtype in (torch.float32, torch.bfloat16)}
    seconds = iter([4.0, 4.0, 4.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0])
    monkeypatch.setattr(machine_rate, "_seconds", lambda step, device: next(seconds))
    assert found[torch.float32].rates() == Rates(32.0, 128.0)
    assert found[torch.bfloat16].rates() == Rates(64.0, 64.0)
