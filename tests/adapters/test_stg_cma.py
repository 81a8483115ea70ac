"""STG-CMA and its control: placement, sizes and options."""

from __future__ import annotations

import pytest
import torch

from adapters.contract import encode, perturbed
from adapters.stg_cma import StgCma
from adapters.toy import ToyBackbone
from adapters.unimodal.bottleneck import UnimodalBottleneck
from registry import UserError

OPTIONS = {"ratio": 0.125, "every": 2, "position": "bias", "segments": 3}


@pytest.fixture
def toy() -> ToyBackbone:
    torch.manual_seed(0)
    return ToyBackbone(dim=32)


@pytest.fixture
def clip(toy) -> dict[str, torch.Tensor]:
    return {m: torch.randn(2, 3, 3, 16, 16) for m in ("visual", "audio")}


def names(scheme) -> set[str]:
    return {name for name, _ in scheme.named_parameters()}


def widths(scheme) -> list[int]:
    return [block.spatial.bottleneck["visual"].down.out_features for block in scheme.blocks]


def test_one_ratio_gives_each_stage_its_share(toy):
    assert widths(StgCma(toy, ratio=0.15)) == [4, 4, 9]


def test_ratios_for_stages_can_keep_the_hidden_width(toy):
    """As published for Swin-L: ratios that halve while widths double."""
    assert widths(StgCma(toy, ratio=(0.5, 0.25))) == [16, 16, 16]


def test_time_is_adapted_where_the_place_within_its_stage_asks(toy):
    """Blocks 0 and 1 are one stage, block 2 begins the next; an adapter that is not used is not built."""
    assert [len(block.temporal) > 0 for block in StgCma(toy, every=2).blocks] == [True, False, True]


def test_the_control_is_the_scheme_without_gates(toy):
    gates = {name for name in names(StgCma(toy, **OPTIONS)) if ".gates." in name}
    assert len(gates) == 6
    assert names(UnimodalBottleneck(toy, **OPTIONS)) == names(StgCma(toy, **OPTIONS)) - gates


def test_with_closed_gates_the_scheme_is_its_control(toy, clip):
    """So exchange is the only difference between the two rows of a table."""
    scheme, control = perturbed(StgCma(toy, **OPTIONS)), UnimodalBottleneck(toy, **OPTIONS).eval()
    opened = encode(scheme, toy, clip)["visual"].tokens
    with torch.no_grad():
        for name, parameter in scheme.named_parameters():
            if ".gates." in name:
                parameter.zero_()
    control.load_state_dict(scheme.state_dict(), strict=False)
    closed, alone = encode(scheme, toy, clip), encode(control, toy, clip)
    torch.testing.assert_close(closed["visual"].tokens, alone["visual"].tokens)
    assert not torch.allclose(opened, alone["visual"].tokens, atol=1e-3)


def test_only_exchange_lets_sound_reach_sight(toy, clip):
    louder = clip | {"audio": clip["audio"] + 1.0}
    for scheme, reached in ((StgCma(toy, **OPTIONS), True), (UnimodalBottleneck(toy, **OPTIONS), False)):
        scheme = perturbed(scheme)
        before, after = (encode(scheme, toy, x)["visual"].tokens for x in (clip, louder))
        assert torch.equal(before, after) is not reached


@pytest.mark.parametrize("position", ["embedding", "bias"])
def test_position_tells_segments_apart(toy, clip, position):
    """Without one, attention over time does not see the order of segments."""
    backwards = {m: x.flip(1) for m, x in clip.items()}
    for option, ordered in (("none", False), (position, True)):
        scheme = perturbed(StgCma(toy, position=option, segments=3))
        forth, back = (encode(scheme, toy, x)["visual"].tokens for x in (clip, backwards))
        assert torch.allclose(forth, back.flip(1), atol=1e-4) is not ordered


@pytest.mark.parametrize("position", ["embedding", "bias"])
def test_clips_of_another_length_are_refused_with_the_mend(toy, clip, position):
    scheme = StgCma(toy, position=position)
    with pytest.raises(UserError, match="set segments=3"):
        encode(scheme, toy, clip)


def test_drop_path_rises_from_zero_and_acts_on_training_only(toy, clip):
    scheme = perturbed(StgCma(toy, drop_path=0.8))
    assert [block.temporal["audio"].drop for block in scheme.blocks] == [0.0, 0.4, 0.8]
    calm = encode(scheme, toy, clip)["audio"].tokens
    assert torch.equal(calm, encode(scheme, toy, clip)["audio"].tokens)
    assert not torch.equal(calm, encode(scheme.train(), toy, clip)["audio"].tokens)


def test_stochastic_depth_draws_for_each_clip_or_for_the_whole_batch():
    """STG-CMA on Swin drops per clip and position, its CLIP code per position of the batch; frames share a draw."""
    for whole_batch, clips_agree in ((False, False), (True, True)):
        torch.manual_seed(0)
        scheme = StgCma(ToyBackbone(dim=32), drop_path=0.5, drop_whole_batch=whole_batch).train()
        adapter = scheme.blocks[-1].temporal["audio"]
        torch.nn.init.ones_(adapter.bottleneck.up.bias)
        update = adapter(torch.zeros(4, 3, 50, 64))
        kept = update[..., 0]
        assert set(kept.unique().tolist()) == {0.0, 2.0}
        assert torch.equal(kept, kept[:, :1].expand_as(kept))
        assert torch.equal(kept[0], kept[1]) is clips_agree


def test_a_parallel_adapter_reads_what_the_mlp_reads_at_half_scale(toy, clip):
    scheme = perturbed(StgCma(toy, exchange=False, mlp_adapter="parallel"))
    block, x = toy.blocks[0], toy.embed(clip["audio"])
    calm = {"audio": x}
    adapter = scheme.blocks[0]
    for unused in (adapter.temporal, adapter.spatial):
        for parameter in unused.parameters():
            parameter.detach().zero_()
    x = x + block.attend(x)
    by_hand = x + block.feed_forward(x) + 0.5 * adapter.joint.bottleneck["audio"](block.mlp_input(x))
    torch.testing.assert_close(scheme.forward_block(0, block, calm)["audio"], by_hand)


def test_stochastic_depth_of_the_parallel_adapter_draws_for_each_frame(toy, clip):
    scheme = StgCma(toy, exchange=False, mlp_adapter="parallel", drop_path=0.5).train()
    adapter, block = scheme.blocks[-1], toy.blocks[-1]
    torch.nn.init.ones_(adapter.joint.bottleneck["audio"].up.bias)
    added = adapter._beside(block, {"audio": torch.randn(8, 5, 4, 64)})["audio"]
    assert set(added.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(added, added[:, :, :1, :1].expand_as(added))


def test_the_final_norm_is_trained_as_one_copy(toy, clip):
    scheme = StgCma(toy, train_final_norm=True)
    assert names(scheme) - names(StgCma(toy)) == {"final_norm.weight", "final_norm.bias"}
    assert set(scheme.trainable_copies()) == {"final_norm.weight", "final_norm.bias"}
    with torch.no_grad():
        scheme.final_norm.bias.add_(1.0)
    moved, plain = (encode(s.eval(), toy, clip) for s in (scheme, StgCma(toy)))
    for m in clip:
        torch.testing.assert_close(moved[m].tokens, plain[m].tokens + 1.0)
    assert not toy.final_norm.bias.any()


def test_a_backbone_without_a_final_norm_is_refused(toy):
    toy.final_norm = torch.nn.Identity()
    with pytest.raises(UserError, match="no final norm to train"):
        StgCma(toy, train_final_norm=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mlp_adapter": "paralel"}, "Did you mean parallel"),
        ({"ratio": (0.5, 0.25, 0.1)}, "3 values for 2 stages"),
        ({"ratio": 0.01}, "no hidden channel at width 32; set it to 0.0313 or more"),
        ({"position": "biass"}, "Did you mean bias"),
        ({"every": 0}, "every=0 must be at least 1"),
        ({"segments": 0}, "segments=0 must be at least 1"),
        ({"drop_path": 1.0}, "drop_path=1.0"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_with_the_mend(toy, options, words):
    with pytest.raises(UserError, match=words):
        StgCma(toy, **options)
