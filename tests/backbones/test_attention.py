"""Comparison of queries and keys."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from backbones.attention import unit_length


@settings(max_examples=20, deadline=None)
@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_unit_length_is_normalize_with_its_gradient(shape, seed):
    make = torch.Generator().manual_seed(seed)
    x, to = (torch.randn(shape, generator=make, dtype=torch.double) for _ in range(2))
    found = []
    for normalize in (unit_length, lambda x: F.normalize(x, dim=-1)):
        given_x = x.clone().requires_grad_()
        out = normalize(given_x)
        found.append((out, torch.autograd.grad(out, given_x, to)[0]))
    torch.testing.assert_close(*found, rtol=1e-9, atol=1e-9)


def test_zeros_stay_zeros():
    x = torch.zeros(2, 3, requires_grad=True)
    out = unit_length(x)
    out.sum().backward()
    assert torch.equal(out, torch.zeros(2, 3))
    assert torch.isfinite(x.grad).all()


def test_unit_length_compiles_over_strided_vectors() -> None:
    """Views of queries, keys and values in one, whose groups and heads become one axis afterwards."""

    def merged(x: torch.Tensor) -> torch.Tensor:
        return unit_length(x.transpose(2, 3)).flatten(1, 2)

    x = torch.randn(2, 3, 4, 5, 6, requires_grad=True)
    torch._dynamo.reset()
    outcomes = []
    for apply in (merged, torch.compile(merged, backend="aot_eager")):
        out = apply(x)
        outcomes.append((out, *torch.autograd.grad(out.pow(3).sum(), x)))
    torch._dynamo.reset()
    torch.testing.assert_close(*outcomes)
