from __future__ import annotations

import random

import numpy as np
import torch

from benchmark.runtime.seeding import EpochOrder, derive_seed, seed_everything, undisturbed_random_states


def draw() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), torch.rand(1).item()


def test_a_purpose_decides_every_random_state():
    seed_everything(3, "epoch", 1)
    first = draw()
    draw()
    seed_everything(3, "epoch", 1)
    assert draw() == first
    seed_everything(3, "epoch", 2)
    assert all(a != b for a, b in zip(draw(), first, strict=True))


def test_derived_seeds_do_not_meet():
    seeds = {derive_seed(seed, "epoch", epoch) for seed in range(30) for epoch in range(30)}
    assert len(seeds) == 900
    assert derive_seed(1, "12") != derive_seed(11, "2")


def test_orders_are_permutations_that_follow_seed_and_epoch():
    orders = {}
    for seed in (0, 1):
        for epoch in (0, 1):
            order = EpochOrder(range(50), seed)
            order.set_epoch(epoch)
            orders[seed, epoch] = list(order)
            torch.rand(3)
            assert list(order) == orders[seed, epoch]
    assert all(sorted(order) == list(range(50)) for order in orders.values())
    assert len({tuple(order) for order in orders.values()}) == 4


def test_global_random_states_can_be_left_undisturbed():
    seed_everything(3)
    expected = draw()
    seed_everything(3)
    with undisturbed_random_states():
        seed_everything(4)
        draw()
    assert draw() == expected
