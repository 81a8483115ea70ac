"""AVMoE: how experts are weighed, the penalty on mixtures that prefer one, and sizes as published.

Sizes are those of the official classes, instantiated (yingchengy/AVMOE, commit edd2383).
"""

from __future__ import annotations

import math

import pytest
import torch
from covering import smaller_first

from adapters.avmoe import AvMoe, FrameAttention, Mixture, TokenAttention, imbalance
from adapters.beside import PartnerProjection
from adapters.contract import encode, perturbed
from adapters.toy import ToyBackbone
from benchmark.cost.describe import count
from registry import Component, UserError

# As in test_dg_sct: widths, tokens, pairs of blocks of the stages of the two published towers.
PUBLISHED_PAIRS = [
    ((192, 96), (2304, 4096), 2),
    ((384, 192), (576, 1024), 2),
    ((768, 384), (144, 256), 6),
    ((1536, 768), (36, 64), 2),
]
AVE = {"cross": 1, "unimodal": 1, "latents": 32, "groups": 2, "reduction": 8, "batch_norm": True}
BARE = {"batch_norm": False}


def published(skip, gate_audio=True, **options):
    """Parameters of the mixtures of the authors' network."""
    total = 0
    for stage, (dims, tokens, pairs) in enumerate(PUBLISHED_PAIRS, 1):
        if skip > 1 and stage % skip == 0:
            continue
        for own, gate in ((0, True), (1, gate_audio)):
            with torch.device("meta"):
                sizes = (dims[own], dims[1 - own]), (tokens[own], tokens[1 - own])
                mixture = Mixture(dims[own], projection=PartnerProjection(*sizes), gate=gate, **{**AVE, **options})
            total += 2 * pairs * sum(p.numel() for p in mixture.parameters())
    return total


@pytest.mark.parametrize(
    ("expected", "skip", "options"),
    [
        (90_549_536, 2, {}),
        (111_996_288, 1, {}),
        (109_841_880, 1, {**BARE, "unimodal": 2, "latents": 2, "groups": 4, "gate_audio": False}),
        (111_877_104, 1, {**BARE, "self_attention": "tokens"}),
        (199_702_032, 1, {**BARE, "self_attention": "frames", "latents": 87, "gate_audio": False}),
        (
            111_142_016,
            2,
            {**BARE, "cross": 2, "unimodal": 2, "self_attention": "latents", "latents": 87, "reduction": 2,
             "gate_audio": False},
        ),
    ],
    ids=["AVE", "AVE without skip", "AVQA", "AVVP", "AVS S4", "AVS MS3"],
)  # fmt: skip
def test_mixtures_between_the_two_published_backbones(expected, skip, options):
    assert published(skip, **options) == expected


@pytest.mark.parametrize(
    ("backbone", "none", "full"),
    smaller_first(
        [
            ("vit_base", 18_363_120, 47_180_784),
            ("vit_large", 55_121_376, 156_821_472),
            ("swin_v2_base", 21_857_248, 96_482_304),
            ("swin_v2_large", 37_812_960, 147_360_000),
        ]
    ),
)
def test_mixtures_on_one_shared_backbone(backbone, none, full):
    task = Component("event_localisation", {"data": "ave"})
    sizes = [
        count(Component(backbone), Component("avmoe", {"skip": 1, "projection": projection}), task)["adapter"]
        for projection in ("none", "full")
    ]
    assert sizes == [none, full]


def test_every_second_stage_stays_plain():
    scheme = AvMoe(ToyBackbone())
    assert [len(block.first) for block in scheme.blocks] == [2, 2, 0]


def pictures():
    torch.manual_seed(1)
    return {m: torch.randn(2, 3, 3, 16, 16) for m in ("visual", "audio")}


def test_a_lone_stream_has_the_mean_of_its_unimodal_experts():
    mixture = perturbed(Mixture(32, 1, 2, latents=2))
    x = torch.randn(1, 2, 5, 32)
    expected = (mixture.unimodal[0](x) + mixture.unimodal[1](x)) / 2
    torch.testing.assert_close(mixture(x, None), expected)


def test_experts_are_weighed_for_each_frame():
    mixture = perturbed(Mixture(32, 1, 1, latents=2))
    x, partner = torch.randn(1, 2, 5, 32), torch.randn(1, 2, 5, 32)
    weights = mixture.route(x, partner)
    assert weights.shape == (1, 2, 2)
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, 2))
    first, second = weights[..., None, :1], weights[..., None, 1:]
    expected = first * mixture.cross[0](x, partner) + second * mixture.unimodal[0](x)
    torch.testing.assert_close(mixture(x, partner), expected)


def test_the_penalty_is_least_for_experts_that_are_used_alike():
    assert imbalance(torch.full((2, 3, 4), 0.25)).item() == pytest.approx(4 * math.log(4))
    # Alike over all frames is enough: each frame may have one of its own.
    assert imbalance(torch.eye(2)[None]).item() == pytest.approx(2 * math.log(2))
    assert imbalance(torch.tensor([[[0.9, 0.1]]])).item() > 2 * math.log(2)


def test_a_step_of_training_has_one_term_of_each_mixture_and_gradients_reach_the_routers():
    backbone = ToyBackbone()
    scheme = perturbed(AvMoe(backbone, skip=1, balance=0.5)).train()
    seen = []
    for module in scheme.modules():
        if isinstance(module, Mixture):
            module.router.register_forward_hook(lambda _, __, y: seen.append(y.softmax(-1)))
    encode(scheme, backbone, pictures())
    penalty = scheme.penalty()
    assert len(seen) == 12
    assert penalty.item() == pytest.approx(0.5 * sum(imbalance(gates).item() for gates in seen), rel=1e-5)
    assert scheme.penalty() is None, "it is asked for once"
    penalty.backward()
    assert all(m.router[0].weight.grad.any() for m in scheme.modules() if isinstance(m, Mixture))


def test_no_penalty_without_gradients_in_evaluation_or_for_lone_streams():
    backbone = ToyBackbone()
    scheme = AvMoe(backbone, balance=0.5)
    encode(scheme.eval(), backbone, pictures())
    assert scheme.penalty() is None
    with torch.no_grad():
        encode(scheme.train(), backbone, pictures())
    assert scheme.penalty() is None
    encode(scheme, backbone, {"visual": pictures()["visual"]})
    assert scheme.penalty() is None
    encode(scheme, backbone, pictures())
    encode(scheme, backbone, pictures())
    twice = scheme.penalty()
    encode(scheme, backbone, pictures())
    assert twice.item() == pytest.approx(2 * scheme.penalty().item())


def test_frames_attend_within_their_clip():
    torch.manual_seed(0)
    attention = FrameAttention(8).eval()
    x = torch.randn(2, 3, 5, 8)
    torch.testing.assert_close(attention(x)[:1], attention(x[:1]))
    theirs = torch.nn.MultiheadAttention(8, 4)
    theirs.load_state_dict(
        {"in_proj_weight": attention.qkv.weight, "in_proj_bias": attention.qkv.bias,
         "out_proj.weight": attention.out.weight, "out_proj.bias": attention.out.bias}
    )  # fmt: skip
    expected = theirs(x[0], x[0], x[0])[0]
    torch.testing.assert_close(attention(x)[0], expected)


def test_tokens_attend_to_each_other_with_weights_transposed():
    attention = TokenAttention()
    with torch.no_grad():
        attention.gate.weight.fill_(2.0)
    x = torch.randn(1, 1, 4, 6)
    torch.testing.assert_close(attention(x), x + 2 * (x @ x.mT).softmax(-1).mT @ x)


def test_noise_moves_the_weights_in_training_alone():
    torch.manual_seed(0)
    mixture = Mixture(32, 1, 1, latents=2, noise=1.0)
    x = torch.randn(1, 2, 5, 32)
    assert torch.equal(mixture.eval().route(x, x), mixture.route(x, x))
    assert not torch.equal(mixture.train().route(x, x), mixture.route(x, x))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cross": 0}, "cross=0 must be at least 1"),
        ({"unimodal": 0}, "unimodal=0 must be at least 1"),
        ({"latents": 0}, "latents=0 must be at least 1"),
        ({"self_attention": "all"}, "frames, latents, none, tokens"),
        ({"balance": -1.0}, "balance=-1.0 must be 0 or more"),
        ({"wiring": "parallel"}, "paired, symmetric"),
    ],
)
def test_wrong_options_are_refused(options, words):
    with pytest.raises(UserError, match=words):
        AvMoe(ToyBackbone(), **options)
