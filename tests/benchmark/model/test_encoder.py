from __future__ import annotations

import torch
from training_fakes import SEGMENTS, FakeBackbone

from adapters.scheme import AdapterScheme
from benchmark.model.encoder import Encoder

PICTURES = {"visual": torch.randn(2, SEGMENTS, 3, 4, 4), "audio": torch.randn(2, SEGMENTS, 3, 4, 4)}


class Diary(AdapterScheme):
    """Notes what it is asked, in order."""

    def __init__(self, backbone) -> None:
        super().__init__(backbone)
        self.notes: list[object] = []

    def enter(self, streams):
        self.notes.append("enter")
        return super().enter(streams)

    def forward_block(self, index, block, streams):
        self.notes.append((index, tuple(streams)))
        return super().forward_block(index, block, streams)

    def leave(self, streams, finish):
        self.notes.append("leave")
        return super().leave(streams, finish)


def test_without_an_adapter_it_is_the_backbone():
    backbone = FakeBackbone()
    features = Encoder(backbone, AdapterScheme(backbone))(PICTURES)
    for modality, pictures in PICTURES.items():
        x = backbone.embed(pictures)
        for block in backbone.blocks:
            x = x + block.attend(x)
            x = x + block.feed_forward(x)
        assert torch.equal(features[modality].tokens, backbone.finish(x).tokens)


def test_the_scheme_sees_every_block_once_with_both_streams():
    backbone = FakeBackbone()
    scheme = Diary(backbone)
    Encoder(backbone, scheme)(PICTURES)
    both = ("visual", "audio")
    assert scheme.notes == ["enter", (0, both), (1, both), "leave"]


def test_blocks_are_entered_before_the_scheme_sees_them():
    backbone = FakeBackbone()
    backbone.blocks[1].enter = lambda x: x * 0
    seen = []
    scheme = AdapterScheme(backbone)
    scheme.forward_block = lambda index, block, streams: seen.append(streams["audio"].abs().sum()) or streams
    Encoder(backbone, scheme)(PICTURES)
    assert seen[0] > 0
    assert seen[1] == 0


def test_a_lone_stream_stays_alone():
    backbone = FakeBackbone()
    features = Encoder(backbone, AdapterScheme(backbone))({"audio": PICTURES["audio"]})
    assert set(features) == {"audio"}


def test_the_frozen_part_records_no_gradient():
    backbone = FakeBackbone()
    assert not Encoder(backbone, AdapterScheme(backbone))(PICTURES)["visual"].pooled.requires_grad
