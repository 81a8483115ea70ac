"""Adapters beside a block: both orders of steps by hand, and what brings a partner to the own tokens."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from adapters.beside import BesideBlock, PartnerProjection, projections, rates
from adapters.toy import ToyBackbone
from registry import UserError


class Sum(nn.Module):
    """Tells what it was shown: its own stream and twice its partner."""

    def __init__(self, modality):
        super().__init__()
        self.weight = {"visual": 1.0, "audio": 10.0}[modality]

    def forward(self, x, partner):
        return self.weight * (x if partner is None else x + 2 * partner)


class Steps:
    """A block whose branches can be counted by hand."""

    def attend(self, x, **_):
        return 0.5 * x

    def feed_forward(self, x, **_):
        return 3 * x


def streams(visual=1.0, audio=2.0):
    return {"visual": torch.full((1, 1, 1, 1), visual), "audio": torch.full((1, 1, 1, 1), audio)}


def told(found):
    return {m: x.item() for m, x in found.items()}


def test_symmetric_adapters_stand_beside_attention_and_mlp_of_both():
    v, a = 1.0, 2.0
    v, a = 1.5 * v + (v + 2 * a), 1.5 * a + 10 * (a + 2 * v)
    v, a = 4 * v + (v + 2 * a), 4 * a + 10 * (a + 2 * v)
    assert told(BesideBlock(Sum)(Steps(), streams())) == {"visual": v, "audio": a}


def test_paired_audio_runs_through_its_whole_block_before_either_is_added():
    v, a = 1.0, 2.0
    v, a = 1.5 * v + (v + 2 * a), 4 * (1.5 * a) + 10 * (a + 2 * v)
    v, a = 4 * v + (v + 2 * a), a + 10 * (a + 2 * v)
    assert told(BesideBlock(Sum, "paired")(Steps(), streams())) == {"visual": v, "audio": a}


@pytest.mark.parametrize("wiring", ["symmetric", "paired"])
def test_without_adapters_it_is_the_frozen_block(wiring):
    assert told(BesideBlock(None, wiring)(Steps(), streams())) == {"visual": 6.0, "audio": 12.0}


def test_frozen_branches_are_dropped_in_training_alone():
    torch.manual_seed(0)
    dropped = BesideBlock(None, "symmetric", drop=0.5)
    x = {"visual": torch.ones(1, 64, 3, 2)}
    assert len(dropped.train()(Steps(), x)["visual"].unique()) == 4
    assert dropped.eval()(Steps(), x)["visual"].unique().tolist() == [6.0]
    assert rates(0.4, 3) == pytest.approx([0.0, 0.2, 0.4])


def test_tokens_are_mapped_before_channels():
    projection = PartnerProjection((3, 5), (4, 2))
    partner = torch.randn(2, 1, 2, 5)
    tokens = torch.einsum("ij,bmjd->bmid", projection.tokens.weight, partner) + projection.tokens.bias[:, None]
    expected = tokens @ projection.channels.weight.T + projection.channels.bias
    torch.testing.assert_close(projection(partner), expected)


def test_each_block_and_modality_has_a_projection_of_its_own_sizes():
    make = projections(ToyBackbone(), "full")
    assert make(2, "visual")(torch.randn(1, 1, 4, 64)).shape == (1, 1, 4, 64)
    assert projections(ToyBackbone(), "none")(0, "audio") is None


def test_only_square_grids_are_resized():
    assert PartnerProjection((3, 5), (16, 9), "bicubic")(torch.randn(1, 2, 9, 5)).shape == (1, 2, 16, 3)
    with pytest.raises(UserError, match="197 and 49; use projection='full' or 'none'"):
        PartnerProjection((3, 5), (197, 49), "bicubic")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: projections(ToyBackbone(), "half"), "full, none, resized"),
        (lambda: rates(1.0, 2), "drop_path=1.0 must be"),
    ],
)
def test_wrong_options_are_refused(call, words):
    with pytest.raises(UserError, match=words):
        call()
