"""Attention without parameters, against its formula, whichever way it is computed."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backbones.kernels import attention as kernel
from backbones.kernels.attention import cross_attend

sizes = st.integers(1, 7)


def formula(query: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    return torch.softmax(query.double() @ tokens.double().mT, dim=-1) @ tokens.double()


@settings(max_examples=30, deadline=None)
@given(n=sizes, m=sizes, d=sizes, groups=st.lists(sizes, max_size=1), half=st.booleans(), shared=st.booleans())
def test_cross_attend_is_an_unscaled_softmax(n, m, d, groups, half, shared):
    torch.manual_seed(0)
    query, tokens = torch.randn(2, 3, *groups, n, d), torch.randn(2, 3, *groups, m, d)
    query = query[(0,) * (query.ndim - 2)] if shared else query
    if half:
        query, tokens = query.bfloat16(), tokens.bfloat16()
    result = cross_attend(query, tokens)
    assert result.dtype == tokens.dtype
    tolerance = 2e-2 if half else 1e-5
    torch.testing.assert_close(result.double(), formula(query, tokens), rtol=tolerance, atol=tolerance)


def test_cross_attend_survives_products_that_half_precision_cannot_hold():
    """A product of 512 · 20 · 20 = 204,800 is beyond fp16; the one matching token must still win."""
    tokens = torch.full((1, 1, 2, 512), 20.0)
    tokens[..., 1, :] = -20.0
    result = cross_attend(tokens.half(), tokens.half())
    assert torch.equal(result, tokens.half())


def test_cross_attend_gives_the_same_short_and_long():
    """Long half-precision exchanges take the fused kernel; the rows of a query do not depend on which."""
    torch.manual_seed(0)
    query, tokens = torch.randn(1, 1, 300, 8).bfloat16(), torch.randn(1, 1, 100, 8).bfloat16()
    torch.testing.assert_close(cross_attend(query, tokens)[..., :50, :], cross_attend(query[..., :50, :], tokens),
                               rtol=2e-2, atol=2e-2)  # fmt: skip


def test_cross_attend_passes_gradients_to_both_sides():
    torch.manual_seed(0)
    query, tokens = torch.randn(3, 4, dtype=torch.double), torch.randn(1, 2, 5, 4, dtype=torch.double)
    assert torch.autograd.gradcheck(cross_attend, (query.requires_grad_(), tokens.requires_grad_()))


WAYS = {
    "plain": {},
    "plain, two sides kept": {"LARGEST_KEPT_OF_EXCHANGE": 0, "LARGEST_KEPT": 0},
    "plain, weights kept as well": {"LARGEST_KEPT_OF_EXCHANGE": 0},
    "fused": {"LARGEST_PLAIN_EXCHANGE_ON_CPU": {}},
    "fused, not widened": {"LARGEST_PLAIN_EXCHANGE_ON_CPU": {}, "NARROWEST_EXCHANGE_ON_CPU": 0},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("half", [False, True])
@settings(max_examples=15, deadline=None)
@given(n=sizes, m=sizes, d=sizes, shared=st.booleans())
def test_every_way_has_the_gradients_of_the_formula(way, half, n, m, d, shared):
    torch.manual_seed(0)
    query, tokens, to = torch.randn(2, 3, n, d), torch.randn(2, 3, m, d), torch.randn(2, 3, n, d)
    query = query[0, 0] if shared else query
    if half:
        query, tokens, to = (x.bfloat16() for x in (query, tokens, to))
    found = []
    with pytest.MonkeyPatch.context() as patch:
        for name, value in WAYS[way].items():
            patch.setattr(kernel, name, value)
        for attend in (cross_attend, formula):
            sides = [x.clone().requires_grad_() for x in (query, tokens)]
            out = attend(*sides)
            found.append([out, *torch.autograd.grad(out, sides, to.to(out.dtype))])
    for computed, expected in zip(*found, strict=True):
        largest = expected.double().abs().max().clamp_min(1)
        assert (computed.double() - expected.double()).abs().max() <= largest * (3e-2 if half else 1e-5)


def test_of_many_values_the_two_sides_alone_are_kept(monkeypatch):
    query, tokens = torch.randn(2, 3, 6, 4).bfloat16(), torch.randn(2, 3, 9, 4).bfloat16()
    monkeypatch.setattr(kernel, "LARGEST_KEPT", 0)
    kept = []
    for most in (2**20, query.numel() + tokens.numel() - 1):
        monkeypatch.setattr(kernel, "LARGEST_KEPT_OF_EXCHANGE", most)
        saved = {}
        with torch.autograd.graph.saved_tensors_hooks(
            lambda x, to=saved: to.update({x.data_ptr(): x.nbytes}) or x, lambda x: x
        ):
            cross_attend(query.clone().requires_grad_(), tokens.clone().requires_grad_())
        kept.append(sum(saved.values()))
    assert kept[1] == query.nbytes + tokens.nbytes < kept[0]
