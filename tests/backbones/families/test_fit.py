"""Every tensor of the file and of the model is accounted for."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from backbones.families.fit import fill
from backbones.formats.checkpoint import UnusableFileError


@pytest.fixture
def model() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))


def whole(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: torch.full_like(tensor, 2.0) for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_floating_point_numbers_fill_a_model(dtype: torch.dtype, model: nn.Module) -> None:
    fill(model, {name: tensor.to(dtype) for name, tensor in whole(model).items()})
    assert all((tensor == 2).all() and tensor.dtype == torch.float32 for tensor in model.state_dict().values())


@pytest.mark.parametrize(
    ("change", "superfluous", "message"),
    [
        ({"0.bias": None}, [], r"^it lacks 1 tensor of the model \(0\.bias\)$"),
        ({}, ["x.ls1.gamma"], r"holds 1 tensor of a model with layer scale, as DINOv2 .* \(x\.ls1\.gamma\)$"),
        ({}, list("abcd"), r"holds 4 tensors that the model does not use \(a, b, c, …\)"),
        ({"0.bias": torch.ones(3)}, [], r"0\.bias is 3, and the model's 2"),
        ({"0.bias": torch.ones(2, dtype=torch.int8)}, [], r"0\.bias is of int8, not floating-point"),
        ({"0.bias": torch.ones(2).to(torch.float8_e4m3fn)}, [], r"0\.bias is of float8_e4m3fn, not"),
        ({"0.bias": torch.tensor([1.0, torch.nan])}, [], r"0\.bias holds values that are not finite"),
        ({"0.bias": torch.ones(3), "1.bias": torch.ones(1)}, [], r"the model's 2 \(and 1 more\)$"),
        ({"0.bias": None}, ["b"], r"holds 1 tensor that .*; it lacks 1 tensor"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_filled(
    change: dict[str, torch.Tensor | None], superfluous: list[str], message: str, model: nn.Module
) -> None:
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    tensors = {name: tensor for name, tensor in {**whole(model), **change}.items() if tensor is not None}
    with pytest.raises(UnusableFileError, match=message):
        fill(model, tensors, superfluous)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
