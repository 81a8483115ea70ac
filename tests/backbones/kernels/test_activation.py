"""The activation that keeps less computes what open_clip's computes, to the last bit."""

from __future__ import annotations

import pytest
import torch

from backbones.kernels import activation
from backbones.kernels.activation import QuickGelu, read_activation


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("at_once", [activation.CACHED, 64])
@pytest.mark.parametrize("dense", [True, False])
def test_values_and_gradients_have_the_bits_of_open_clips(
    dtype: torch.dtype, at_once: int, dense: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from open_clip.transformer import QuickGELU

    monkeypatch.setattr(activation, "CACHED", at_once)
    generator = torch.Generator().manual_seed(0)
    values, seen = 3 * torch.randn(7, 33, generator=generator), torch.randn(7, 33, generator=generator).to(dtype)
    values = values if dense else values.t().contiguous().t()
    both = []
    for compute in (QuickGELU(), QuickGelu()):
        x = values.to(dtype).requires_grad_()
        y = compute(x)
        y.backward(seen)
        both.append((y, x.grad))
    for theirs, ours in zip(*both, strict=True):
        assert theirs is not None
        assert ours is not None
        assert torch.equal(theirs, ours)


def test_one_tensor_is_kept() -> None:
    kept: list[torch.Tensor] = []
    x = torch.randn(5, 4, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        QuickGelu()(x)
    assert [t.data_ptr() for t in kept] == [x.data_ptr()]


def test_only_quick_gelu_is_replaced() -> None:
    from open_clip.transformer import QuickGELU

    exact = torch.nn.GELU()
    assert read_activation(exact) is exact
    assert isinstance(read_activation(QuickGELU()), QuickGelu)
