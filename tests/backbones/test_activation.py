"""The activation that keeps less computes what open_clip's computes, to the last bit."""

from __future__ import annotations

import pytest
import torch

from backbones.activation import QuickGelu, read_activation


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_and_gradients_have_the_bits_of_open_clips(dtype: torch.dtype) -> None:
    from open_clip.transformer import QuickGELU

    generator = torch.Generator().manual_seed(0)
    values, seen = 3 * torch.randn(7, 33, generator=generator), torch.randn(7, 33, generator=generator).to(dtype)
    both = []
    for activation in (QuickGELU(), QuickGelu()):
        x = values.to(dtype).requires_grad_()
        y = activation(x)
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
