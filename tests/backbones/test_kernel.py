"""Both ways of computing attention agree, whatever the layout of the bias."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backbones import kernel


@given(
    st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.integers(1, 9), st.integers(1, 12), st.integers(0, 2)
)
def test_plain_products_equal_the_fused_kernel(n: int, g: int, h: int, q: int, m: int, bias_kind: int) -> None:
    make = torch.Generator().manual_seed(n + 7 * g + 31 * q)
    queries, keys, values = (torch.randn(n, g, h, length, 4, generator=make) for length in (q, m, m))
    bias = [None, torch.randn(h, q, m, generator=make), torch.randn(g, h, q, m, generator=make)][bias_kind]
    logits = 0.3 * queries @ keys.transpose(-2, -1)
    expected = (logits if bias is None else logits + bias).softmax(-1) @ values
    for way in (kernel._plain, kernel._fused):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kernel, "_plain", way)
            patch.setattr(kernel, "_fused", way)
            found = kernel.attend_in_groups(queries, keys, values, bias, 0.3)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "length", "plain"),
    [(torch.bfloat16, 10, True), (torch.bfloat16, 197, False), (torch.float32, 10, False), (torch.float32, 197, False)],
)
def test_short_sequences_in_reduced_precision_take_plain_products(dtype: torch.dtype, length: int, plain: bool) -> None:
    assert kernel._prefers_plain(torch.empty(1, 1, length, 4, dtype=dtype)) is plain


@pytest.mark.parametrize("bias", [False, True])
def test_weights_computed_again_give_the_same_bits(bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    make = torch.Generator().manual_seed(0)
    inputs = [torch.randn(2, 3, 2, 5, 4, generator=make, dtype=torch.bfloat16) for _ in "qkv"]
    added = torch.randn(2, 5, 5, generator=make) if bias else None
    found = []
    for most in (kernel.LARGEST_KEPT, 0):
        monkeypatch.setattr(kernel, "LARGEST_KEPT", most)
        parts = [t.clone().requires_grad_() for t in inputs]
        table = None if added is None else added.clone().requires_grad_()
        mixed = kernel.attend_in_groups(*parts, table, 0.3)
        mixed.float().square().sum().backward()
        found.append([mixed, *(p.grad for p in parts), *([] if table is None else [table.grad])])
    for kept, again in zip(*found, strict=True):
        assert kept is not None
        assert again is not None
        assert torch.equal(kept, again)


def test_large_weights_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "LARGEST_KEPT", 0)
    q, k, v = (torch.randn(1, 2, 2, 100, 4, dtype=torch.bfloat16, requires_grad=True) for _ in "qkv")
    kept: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        kernel.attend_in_groups(q, k, v, None, 0.3)
    assert all(t.numel() < 2 * 2 * 100 * 100 for t in kept)
