"""The parts of schemes, against plain formulas and the library's own layers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from adapters.parts import (
    Bottleneck,
    Gate,
    GroupedLinear,
    TokenBatchNorm,
    drop_path,
    each_modality,
    stages,
    together,
)
from registry import UserError


@settings(max_examples=20, deadline=None)
@given(groups=st.integers(1, 4), wide=st.integers(1, 4), out=st.integers(1, 4))
def test_grouped_linear_is_a_grouped_convolution(groups, wide, out):
    torch.manual_seed(0)
    layer = GroupedLinear(groups * wide, groups * out, groups)
    convolution = nn.Conv2d(groups * wide, groups * out, 1, groups=groups, bias=False)
    convolution.weight.data = layer.weight.data[..., None, None]
    x = torch.randn(2, 3, 5, groups * wide)
    expected = convolution(x.flatten(0, 1).mT[..., None])[..., 0].mT.unflatten(0, (2, 3))
    torch.testing.assert_close(layer(x), expected)


def test_grouped_linear_refuses_widths_that_groups_do_not_divide():
    with pytest.raises(UserError, match="groups=4 does not divide the widths 12 and 6"):
        GroupedLinear(12, 6, 4)


def test_token_batch_norm_counts_every_token():
    """Forward and running statistics as BatchNorm2d over (N, D, L, 1), the released layout."""
    torch.manual_seed(0)
    ours, theirs = TokenBatchNorm(6), nn.BatchNorm2d(6)
    x = torch.randn(2, 3, 5, 6) * 3 + 1
    expected = theirs(x.flatten(0, 1).mT[..., None].contiguous())[..., 0].mT.unflatten(0, (2, 3))
    torch.testing.assert_close(ours(x), expected)
    torch.testing.assert_close(ours.running_var, theirs.running_var)


def test_token_batch_norm_has_the_true_gradient():
    norm = TokenBatchNorm(3).double()
    x = torch.randn(2, 2, 4, 3, dtype=torch.double, requires_grad=True)
    weights = torch.randn(2, 3, 2, 4, dtype=torch.double).permute(0, 2, 3, 1)
    assert torch.autograd.gradcheck(lambda x: norm(x) * weights, x)


def test_bottleneck_starts_at_zero_and_learns_from_up():
    torch.manual_seed(0)
    part = Bottleneck(64, 16)
    x = torch.randn(2, 3, 5, 64)
    assert not part(x).any()
    assert 0.015 < float(part.down.weight.detach().std()) < 0.025
    part(x).sum().backward()
    assert part.up.weight.grad.any()


def test_gate_starts_closed_and_keeps_the_type():
    gate = Gate()
    x = torch.randn(2, 3).bfloat16()
    assert not gate(x).any()
    assert gate(x).dtype == torch.bfloat16


def test_drop_path_keeps_the_mean_and_drops_whole_positions_of_a_clip():
    torch.manual_seed(0)
    dropped = drop_path(torch.ones(400, 3, 5, 2), rate=0.25, training=True)
    assert torch.equal(dropped, dropped[:, :1, :, :1].expand_as(dropped))
    assert abs(float(dropped.mean()) - 1) < 0.05
    torch.testing.assert_close(dropped.unique(), torch.tensor([0.0, 4 / 3]))


def test_drop_path_is_for_training_only():
    x = torch.randn(2, 3, 5, 2)
    assert drop_path(x, rate=0.5, training=False) is x


def test_each_modality_makes_separate_parts():
    parts = each_modality(lambda: nn.Linear(2, 2))
    assert set(parts) == {"visual", "audio"}
    assert parts["visual"] is not parts["audio"]


@pytest.mark.parametrize(
    ("widths", "expected"),
    [([], []), ([8, 8], [(0, 0), (0, 1)]), ([8, 16, 16, 32], [(0, 0), (1, 0), (1, 1), (2, 0)])],
)
def test_stages_begin_where_the_width_changes(widths, expected):
    assert stages(widths) == expected


@pytest.mark.parametrize("audio_tokens", [4, 3], ids=["same shapes", "other shapes"])
def test_together_equals_one_stream_at_a_time(audio_tokens):
    torch.manual_seed(0)
    branch = nn.Linear(5, 5)
    streams = {"visual": torch.randn(2, 3, 4, 5), "audio": torch.randn(2, 3, audio_tokens, 5)}
    joint = together(branch, streams)
    assert all(torch.allclose(joint[m], branch(x), atol=1e-6) for m, x in streams.items())
