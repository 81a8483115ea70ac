from __future__ import annotations

import pytest
import torch
from training_fakes import SEGMENTS, FakeBackbone

from adapters.scheme import AdapterScheme
from benchmark.model.build import build_backbone, build_scheme
from benchmark.model.encoder import Encoder
from registry import Component

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


class Forgetful(AdapterScheme):
    """Its last line should return the streams."""

    def forward_block(self, index, block, streams):
        super().forward_block(index, block, streams)


def test_a_scheme_that_returns_nothing_is_told_so():
    backbone = FakeBackbone()
    with pytest.raises(TypeError, match=r"Forgetful\.forward_block returned nothing; return the streams"):
        Encoder(backbone, Forgetful(backbone))(PICTURES)


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


SOUND_AND_SIGHT = {m: torch.randn(1, 2, 3, 32, 32) for m in ("visual", "audio")}


def encoder_of(backbone: str, adapter: str = "linear_probe", **options) -> Encoder:
    frozen = build_backbone(Component(backbone))
    return Encoder(frozen, build_scheme(Component(adapter), frozen, 2), **options)


@pytest.mark.parametrize("backbone", ["tiny_vit", "tiny_swin", "tiny_clip"])
def test_features_hold_the_tokens_of_every_stage(backbone):
    encoder = encoder_of(backbone)
    for features in encoder(SOUND_AND_SIGHT).values():
        assert features.stages[-1] is features.tokens
        shapes = [(s.width, s.side**2) for s in encoder.backbone.stages]
        prefix = 0 if backbone == "tiny_swin" else 1
        assert [(x.shape[-1], x.shape[2] - prefix) for x in features.stages] == shapes


def test_a_stage_is_what_its_last_block_left():
    encoder = encoder_of("tiny_swin", "stg_cma")
    left = []
    forward = encoder.scheme.forward_block
    encoder.scheme.forward_block = lambda *given: left.append(forward(*given)) or left[-1]
    assert encoder(SOUND_AND_SIGHT)["audio"].stages[0] is left[1]["audio"]


def test_stages_have_the_same_gradients_when_blocks_are_computed_again():
    torch.manual_seed(0)
    plain = encoder_of("tiny_swin", "stg_cma")
    other = encoder_of("tiny_swin", "stg_cma", checkpointing="blocks")
    other.scheme.load_state_dict(plain.scheme.state_dict())
    for encoder in (plain, other):
        with torch.no_grad():
            for i, parameter in enumerate(encoder.scheme.parameters()):
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(i)))
        torch.stack([x.square().mean() for x in encoder.eval()(SOUND_AND_SIGHT)["visual"].stages]).sum().backward()
    for (name, one), (_, two) in zip(plain.scheme.named_parameters(), other.scheme.named_parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, rtol=1e-4, atol=1e-6, msg=name)


def test_kept_stages_are_given_back():
    encoder = encoder_of("tiny_swin")
    kept = encoder.kept(SOUND_AND_SIGHT["visual"], "visual", tokens=False, stages=True)
    assert set(kept) == {"pooled", "stage0", "stage1"}
    given, fresh = encoder({"visual": kept})["visual"], encoder({"visual": SOUND_AND_SIGHT["visual"]})["visual"]
    assert all(torch.equal(one, two) for one, two in zip(given.stages, fresh.stages, strict=True))
    assert torch.equal(given.tokens, fresh.tokens)
