"""The CMBS head: its sizes as published, its losses by hand and what it predicts.

Sizes are those of the official classes of DG-SCT, instantiated (haoyi-duan/DG-SCT, commit 211fc57).
"""

from __future__ import annotations

import pytest
import torch

from registry.vocabulary import Features
from tasks.event_localisation.cmbs import CmbsHead
from tasks.event_localisation.task import EventLocalisation

DIM, CLIPS, SEGMENTS, EVENTS = 8, 2, 5, 3
SIZES = {"widths": (6, 4), "dim": 4, "heads": 2, "feedforward": 8, "layers": 1}


def count(module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_parameters_are_the_published_ones_but_for_those_never_used():
    """Each encoder and decoder keeps the layer that it was copied from, and decoders a self-attention; CMBS creates two
    attentions between streams, each with a norm, and two norms more."""
    with torch.device("meta"):
        head = CmbsHead((1536, 768), 29)
        attention, norm = torch.nn.MultiheadAttention(256, 4), torch.nn.LayerNorm(256)
        layer = torch.nn.TransformerEncoderLayer(256, 4, 1024)
    temporal = count(head.over_time)
    prototypes = 2 * count(layer) + 2 * (count(layer) + count(attention))
    assert temporal + prototypes + 2 * count(attention) == 12_071_554
    assert count(head) - temporal == 21_845
    assert 21_845 + 2 * (count(attention) + count(norm)) + 2 * count(norm) == 550_229


def outputs() -> dict:
    torch.manual_seed(0)
    return {
        "event": torch.randn(CLIPS, SEGMENTS),
        "gate": torch.rand(CLIPS, SEGMENTS),
        "clip": torch.randn(CLIPS, EVENTS),
        "streams": torch.randn(CLIPS, EVENTS),
    }


TARGETS = {"labels": torch.tensor([[3, 2, 2, 3, 3], [3, 3, 3, 3, 3]]), "id": ["event", "background"]}


def test_losses_by_hand():
    """A clip of background counts as one of the first event, as released."""
    out = outputs()
    head = CmbsHead((DIM, DIM), EVENTS + 1, **SIZES)
    losses = head.loss(out, TARGETS)
    on = torch.tensor([[0.0, 1, 1, 0, 0], [0.0] * 5])
    for name in ("event", "gate"):
        p = out[name].sigmoid()
        by_hand = -(on * p.log() + (1 - on) * (1 - p).log()).mean()
        assert losses[name].item() == pytest.approx(by_hand.item(), rel=1e-5)
    for name in ("clip", "streams"):
        log = out[name].log_softmax(-1)
        assert losses[name].item() == pytest.approx(-(log[0, 2] + log[1, 0]).item() / 2, rel=1e-5)
    without = CmbsHead((DIM, DIM), EVENTS + 1, gate_loss=False, **SIZES).loss(out, TARGETS)
    assert without.keys() == losses.keys() - {"gate"}


def test_the_clips_event_is_predicted_where_there_is_one():
    out = outputs()
    out["event"] = torch.tensor([[-1.0, 0.1, 2, -0.1, 0], [-1.0] * 5])
    first, second = CmbsHead((DIM, DIM), EVENTS + 1, **SIZES).predict(out, TARGETS)
    event = int(out["clip"][0].argmax())
    assert first["predicted"] == [3, event, event, 3, 3]
    assert second["predicted"] == [3] * 5
    assert first["labels"] == [3, 2, 2, 3, 3]


def test_clips_of_fewer_segments_than_are_averaged_are_scored_too():
    head = CmbsHead((DIM, DIM), EVENTS + 1, **SIZES).eval()

    def encode(streams):
        return {m: Features(torch.empty(0), torch.randn(CLIPS, 2, DIM)) for m in streams}

    found = head(encode, {m: torch.empty(0) for m in ("visual", "audio")})
    assert {name: tuple(x.shape) for name, x in found.items()} == {
        "event": (2, 2), "gate": (2, 2), "clip": (2, 3), "streams": (2, 3)
    }  # fmt: skip


def test_the_task_builds_it_for_one_shared_width():
    task = EventLocalisation(head="cmbs", gate_loss=False)
    head = task.head(32)
    assert (head.events, head.gate_loss, head.reads_tokens) == (len(task.classes) - 1, False, False)
