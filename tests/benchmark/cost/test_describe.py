from __future__ import annotations

import pytest
import torch
from torch import nn
from training_fakes import FakeBackbone, FakeHead, FakeTask, registered

from benchmark.cost.describe import count_gflops, describe
from registry import Component
from registry.errors import UserError

CELL = [Component.parse(text) for text in ("fake_backbone", "fake_adapter", "fake_task")]


@pytest.fixture(autouse=True, scope="module")
def _fakes():
    with registered():
        yield


def test_counts_and_shapes():
    facts = describe(*CELL)
    assert (facts["backbone"], facts["adapter"], facts["head"]) == (680, 355, 68)
    assert facts["trainable"] == 423
    assert facts["total"] == 1103
    assert facts["trainable_percent"] == pytest.approx(100 * 423 / 1103)
    assert facts["segments"] == 2
    assert facts["visual_picture"] == [4, 4]
    assert facts["audio_picture"] == [4, 4]


def test_operations_by_hand():
    # Per picture: the stem 48x8, four branches and two adapters 8x8; two segments of two modalities, then the head.
    by_hand = 2 * (4 * (48 * 8 + 6 * 64) + 16 * 4)
    assert describe(*CELL)["gflops"] * 1e9 == pytest.approx(by_hand)
    assert count_gflops(*CELL) == describe(*CELL)["gflops"]


class Recurrent(FakeHead):
    """Reads the values of its inputs and runs a recurrent layer, as question encoders do."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.lstm = nn.LSTM(dim, 16, batch_first=True)

    def forward(self, encode, inputs):
        torch.unique(inputs["visual"], dim=0)
        self.lstm(torch.zeros(1, 5, self.classify.in_features // 2))
        return super().forward(encode, inputs)


def test_a_heads_values_and_recurrence_are_no_obstacle(monkeypatch):
    plain = describe(*CELL)["gflops"]
    monkeypatch.setattr(FakeTask, "head", lambda self, dim: Recurrent(dim))
    recurrent = describe(CELL[0], CELL[1], CELL[2].with_options(poison=True))["gflops"]
    assert (recurrent - plain) * 1e9 == pytest.approx(2 * 5 * (8 + 16) * 4 * 16)


def test_no_weights_are_needed():
    backbone = CELL[0].with_options(weights="absent")
    assert describe(backbone, *CELL[1:])["backbone"] == 680


def test_nothing_random_is_drawn():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    describe(CELL[0].with_options(dim=16), *CELL[1:])
    assert torch.rand(1) == expected


def test_a_backbone_that_needs_numbers_while_it_is_built(monkeypatch):
    build = FakeBackbone.__init__

    def with_numbers(self, dim: int = 8, weights: str = "none") -> None:
        torch.ones(1).item()
        build(self, dim, weights)

    monkeypatch.setattr(FakeBackbone, "__init__", with_numbers)
    assert describe(CELL[0].with_options(dim=12), *CELL[1:])["gflops"] > 0


def test_unknown_names_are_told():
    with pytest.raises(UserError, match="fake_adapter"):
        describe(CELL[0], Component("fake_adaptor"), CELL[2])


def test_two_backbones_count_together():
    """Operations are those of sight in the one and of sound in the other."""
    task = Component.parse("event_localisation(modality='both')")
    pair = describe(Component("towers", {"visual": "tiny_swin", "audio": "tiny_vit"}), Component("linear_probe"), task)
    alone = {name: describe(Component(name), Component("linear_probe"), task) for name in ("tiny_swin", "tiny_vit")}
    assert pair["backbone"] == sum(facts["backbone"] for facts in alone.values())
    # A shared backbone takes sight and sound in pictures of one size, so half of it is one modality.
    assert pair["gflops"] == pytest.approx(sum(facts["gflops"] for facts in alone.values()) / 2, rel=0.01)
    assert describe(Component("towers", {"visual": "tiny_vit", "audio": "tiny_ast"}), LORA, task)["adapter"] > 0


LORA = Component("lora", {"rank": 2})
