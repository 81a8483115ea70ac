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
