"""Both ways of computing attention agree, whatever the layout of the bias."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backbones.kernels import attention as kernel


@given(
    st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.integers(1, 9), st.integers(1, 12), st.integers(0, 2)
)
def test_plain_products_equal_the_fused_kernel(n: int, g: int, h: int, q: int, m: int, bias_kind: int) -> None:
    make = torch.Generator().manual_seed(n + 7 * g + 31 * q)
    queries, keys, values = (torch.randn(n, g, h, length, 4, generator=make) for length in (q, m, m))
    bias = [None, torch.randn(h, q, m, generator=make), torch.randn(g, h, q, m, generator=make)][bias_kind]
    logits = 0.3 * queries @ keys.transpose(-2, -1)
    expected = (logits if bias is None else logits + bias).softmax(-1) @ values
    for plain in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kernel, "_prefers_plain", lambda q, k, exchange, plain=plain: plain)
            found = kernel.attend(queries, keys, values, bias, 0.3)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "length", "plain"),
    [(torch.bfloat16, 10, True), (torch.bfloat16, 577, False), (torch.float32, 10, True), (torch.float32, 144, False)],
)
def test_short_sequences_take_plain_products(dtype: torch.dtype, length: int, plain: bool) -> None:
    assert kernel._prefers_plain(*[torch.empty(1, 1, length, 4, dtype=dtype)] * 2, exchange=False) is plain


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
        mixed = kernel.attend(*parts, table, 0.3)
        mixed.float().square().sum().backward()
        found.append([mixed, *(p.grad for p in parts), *([] if table is None else [table.grad])])
    for kept, again in zip(*found, strict=True):
        assert kept is not None
        assert again is not None
        assert torch.equal(kept, again)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bias_shape", [None, (3, 6, 6), (4, 3, 6, 6)])
@pytest.mark.parametrize("weights", ["kept", "made again"])
def test_little_is_kept_of_one_projection(precision, bias_shape, weights, monkeypatch) -> None:
    """Queries, keys and values are views of one tensor: it alone is kept, and gradients have autograd's bits."""
    make = torch.Generator().manual_seed(0)
    qkv = torch.randn(2, 6, 4, 3, 3, 8, generator=make).to(precision)
    bias = None if bias_shape is None else torch.randn(bias_shape, generator=make)
    monkeypatch.setattr(kernel, "_prefers_plain", lambda q, k, exchange: True)
    most = 2 * 4 * 3 * 6 * 6  # as many as there are weights; queries are more
    found, sizes = [], []
    for limit in (10**9, most if weights == "kept" else most - 1):
        monkeypatch.setattr(kernel, "LARGEST_KEPT", limit)
        projected = qkv.clone().requires_grad_()
        added = None if bias is None else bias.clone().requires_grad_()
        kept: dict[int, int] = {}

        def keep(tensor: torch.Tensor, kept: dict[int, int] = kept) -> torch.Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            mixed = kernel.attend(*projected.permute(3, 0, 2, 4, 1, 5), added, 0.3)
        mixed.float().square().sum().backward()
        found.append([mixed, projected.grad, *([] if added is None else [added.grad])])
        sizes.append(sum(kept.values()))
    for plain, little in zip(*found, strict=True):
        assert plain is not None
        assert little is not None
        assert torch.equal(plain, little)
    in_bias = 0 if bias is None else bias.nbytes
    keeps = weights == "kept" or precision == torch.float32
    assert sizes[1] == qkv.nbytes + in_bias + (4 * most if keeps else 0)
    if precision == torch.bfloat16:
        assert sizes[1] - in_bias < sizes[0]


def test_normed_queries_and_keys_may_be_of_higher_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """As layer norms leave them under autocast."""
    make = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, 2, 5, 4, generator=make, requires_grad=True) for _ in "qkv")
    monkeypatch.setattr(kernel, "LARGEST_KEPT", 0)
    found = []
    for values in (v.bfloat16(), v):
        mixed = kernel.attend(q, k, values, None, 0.3)
        found.append([mixed, *torch.autograd.grad(mixed.float().square().sum(), (q, k, v))])
    assert found[0][0].dtype == torch.bfloat16
    for narrow, wide in zip(*found, strict=True):
        torch.testing.assert_close(narrow.float(), wide, rtol=3e-2, atol=3e-2)


def test_gradients_that_nobody_wants_are_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries, keys and values of a frozen block have none before the first adapter; its learned bias over time has."""
    make = torch.Generator().manual_seed(0)
    inputs = [*(torch.randn(2, 3, 2, 5, 4, generator=make) for _ in "qkv"), torch.randn(2, 5, 5, generator=make)]
    monkeypatch.setattr(kernel, "LARGEST_KEPT", 0)
    found = []
    for trained in ((0, 1, 2, 3), (0,), (1,), (2,), (3,)):
        parts = [t.clone().requires_grad_(i in trained) for i, t in enumerate(inputs)]
        kernel.attend(*parts, 0.3).square().sum().backward()
        found.append([p.grad for p in parts])
    for index, gradients in enumerate(found[1:]):
        assert [g is not None for g in gradients] == [i == index for i in range(4)]
        assert torch.equal(gradients[index], found[0][index])


@pytest.mark.parametrize("bias_shape", [None, (2, 5, 5), (3, 2, 5, 5)])
@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_pictures_one_after_another_give_the_same_bits(bias_shape, at_once, monkeypatch) -> None:
    make = torch.Generator().manual_seed(0)
    inputs = [torch.randn(5, 3, 2, 5, 4, generator=make, dtype=torch.bfloat16) for _ in "qkv"]
    bias = None if bias_shape is None else torch.randn(bias_shape, generator=make)
    monkeypatch.setattr(kernel, "LARGEST_KEPT", 0)
    found = []
    for cached in (10**9, at_once * 3 * 2 * 5 * 5):
        monkeypatch.setattr(kernel, "CACHED", cached)
        parts = [t.clone().requires_grad_() for t in inputs]
        added = None if bias is None else bias.clone().requires_grad_()
        mixed = kernel.attend(*parts, added, 0.3)
        mixed.float().square().sum().backward()
        found.append([mixed, *(p.grad for p in parts)])
        if added is not None:
            found[-1].append(added.grad)
    *once, to_bias = found[0] if bias is not None else [*found[0], torch.zeros(1)]
    *pieces, to_bias_again = found[1] if bias is not None else [*found[1], torch.zeros(1)]
    assert all(torch.equal(a, b) for a, b in zip(once, pieces, strict=True))
    torch.testing.assert_close(to_bias, to_bias_again)


def test_softmax_over_few_keys_is_the_same_along_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    make = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(3, 2, 5, 4, generator=make) for _ in "qkv")
    bias = torch.randn(2, 5, 5, generator=make)
    taken = []
    softmax = torch.Tensor.softmax
    monkeypatch.setattr(torch.Tensor, "softmax", lambda x, dim, **o: taken.append(dim) or softmax(x, dim, **o))
    columns = kernel._by_products(q, k, v, bias, 0.3, exchange=False)
    monkeypatch.setattr(kernel, "LEAST_PLAIN_ROWS", 0)
    rows = kernel._by_products(q, k, v, bias, 0.3, exchange=False)
    torch.testing.assert_close(columns, rows, rtol=0, atol=1e-6)
    assert taken == [-2, -1]


def test_large_weights_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "LARGEST_KEPT", 0)
    q, k, v = (torch.randn(1, 2, 2, 100, 4, dtype=torch.bfloat16, requires_grad=True) for _ in "qkv")
    kept: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        kernel.attend(q, k, v, None, 0.3)
    assert all(t.numel() < 2 * 2 * 100 * 100 for t in kept)
