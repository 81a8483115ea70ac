"""DG-SCT: what the guide computes, pooling by its token weights, and sizes as published.

Sizes are those of the official classes, instantiated (haoyi-duan/DG-SCT, commit 211fc57).
"""

from __future__ import annotations

import pytest
import torch
from covering import smaller_first

from adapters.beside import PartnerProjection
from adapters.contract import encode, perturbed
from adapters.dg_sct import DgSct, Guide, GuidedAdapter, token_attention
from adapters.toy import ToyBackbone
from benchmark.cost.describe import count
from registry import Component, UserError

# Width and tokens of the visual and of the audio side, and pairs of blocks, in each stage of the two published towers.
PUBLISHED_PAIRS = [
    ((192, 96), (2304, 4096), 2),
    ((384, 192), (576, 1024), 2),
    ((768, 384), (144, 256), 6),
    ((1536, 768), (36, 64), 2),
]


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def published(latents=32, groups=2, batch_norm=True, gate_audio=True, unused=lambda dim: 1, **options):
    """Parameters of the 48 adapters of the authors' network, and those that each has and never uses, by its width."""
    total = 0
    for dims, tokens, pairs in PUBLISHED_PAIRS:
        for own, gate in ((0, True), (1, gate_audio)):
            sizes = (dims[own], dims[1 - own]), (tokens[own], tokens[1 - own])
            with torch.device("meta"):
                adapter = GuidedAdapter(
                    dims[own], Guide(dims[own]), PartnerProjection(*sizes),
                    latents=latents, groups=groups, batch_norm=batch_norm, gate=gate,
                    **options,
                )  # fmt: skip
            total += 2 * pairs * (parameters(adapter) + unused(dims[own]))
    return total


def test_adapters_between_the_two_published_backbones():
    assert published() == 188_538_864
    avqa = published(latents=2, groups=4, batch_norm=False, gate_audio=False, unused=lambda dim: 0)
    assert avqa == 186_336_456


def test_adapters_of_video_parsing_have_three_layers_that_are_never_used():
    """A gate, a gate of segments and a layer for captions."""
    assert published(unused=lambda dim: 1 + (dim + 1) + 98_496) == 193_293_216


@pytest.mark.parametrize(("reduction", "expected"), [(8, 188_505_720), (2, 196_592_760)], ids=["S4", "MS3"])
def test_adapters_of_segmentation_have_a_norm_and_a_gate_that_are_never_used(reduction, expected):
    """The norm before the adapter and a gate of segments exist and are not applied."""
    found = published(
        batch_norm=False, gate_audio=False, norm_before=False, reduction=reduction,
        unused=lambda dim: 2 * dim + (dim + 1),
    )  # fmt: skip
    assert found == expected


@pytest.mark.parametrize(
    ("backbone", "none", "channel", "token", "full"),
    smaller_first(
        [
            ("vit_base", 118_379_664, 28_348_416, 469_248, 147_197_328),
            ("vit_large", 419_488_032, 100_761_600, 938_496, 521_188_128),
            ("swin_v2_base", 117_244_960, 27_966_464, 46_658_592, 191_870_016),
            ("swin_v2_large", 262_239_648, 62_888_448, 46_658_592, 371_786_688),
        ]
    ),
)
def test_adapters_on_one_shared_backbone(backbone, none, channel, token, full):
    task = Component("event_localisation", {"data": "ave"})
    sizes = [
        count(Component(backbone), Component("dg_sct", {"projection": projection}), task)["adapter"]
        for projection in ("none", "full")
    ]
    assert sizes == [none, full]
    assert full == none + channel + token


def test_the_guide_weighs_channels_and_tokens():
    """One number for each channel and one for each token, neither of which reaches one where both shares are small."""
    torch.manual_seed(0)
    guide = Guide(4, channel_share=0.3, token_share=0.05)
    x, partner = torch.randn(1, 2, 5, 4), torch.randn(1, 2, 3, 4)
    guided, logits = guide(x, partner)
    mean = partner.mean(2)
    query = (torch.relu(guide.channel_own(x)) * torch.relu(guide.channel_partner(mean))[:, :, None]).mean(2)
    channels = torch.sigmoid(guide.channel_out(torch.relu(guide.channel_code(query))))[:, :, None]
    torch.testing.assert_close(guided / x, 0.3 * channels + 0.05 * logits.sigmoid() + 0.7)


def test_features_are_pooled_by_the_token_weights_of_the_last_block():
    backbone = ToyBackbone()
    scheme = perturbed(DgSct(backbone, pooling="attention"))
    seen = {}
    for m, adapter in scheme.blocks[-1].second.items():
        adapter.guide.register_forward_hook(lambda _, __, out, m=m: seen.__setitem__(m, token_attention(out[1])))
    features = encode(scheme, backbone, {m: torch.randn(2, 3, 3, 16, 16) for m in ("visual", "audio")})
    for m, f in features.items():
        torch.testing.assert_close(seen[m].sum(2), torch.ones(2, 3, 1))
        torch.testing.assert_close(f.pooled, (seen[m] * f.tokens).sum(2))
        assert not torch.allclose(f.pooled, f.tokens.mean(2))
    assert not [name for name, _ in scheme.named_buffers() if "logits" in name], "nothing is kept"


def test_without_a_partner_only_the_bottleneck_is_left():
    adapter = perturbed(GuidedAdapter(32, Guide(32)))
    x = torch.randn(1, 2, 5, 32)
    assert torch.equal(adapter(x, None), adapter.bottleneck(x))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"latents": 0}, "latents=0 must be at least 1"),
        ({"latent_start": "ones"}, "uniform, zeros"),
        ({"wiring": "parallel"}, "paired, symmetric"),
        ({"pooling": "max"}, "attention, backbone"),
        ({"projection": "some"}, "full, none, resized"),
        ({"groups": 3}, "use groups=1"),
        ({"drop_path": 1.0}, "drop_path=1.0 must be"),
    ],
)
def test_wrong_options_are_refused(options, words):
    with pytest.raises(UserError, match=words):
        DgSct(ToyBackbone(), **options)


PUBLISHED_TOWERS = "towers(audio='htsat', visual='swin_v2_large')"


@pytest.mark.parametrize(
    ("adapter", "expected"),
    [
        # Without one gate in each of 48 adapters that is created for AVE and never used.
        ("dg_sct(wiring='paired', projection='full', pooling='attention')", 188_538_864 - 48),
        (
            "dg_sct(latents=2, groups=4, batch_norm=False, gate_audio=False, wiring='paired', projection='full')",
            186_336_456,
        ),
        ("avmoe(wiring='paired', projection='full')", 90_549_536),
        ("avmoe(skip=1, wiring='paired', projection='full')", 111_996_288),
    ],
    ids=["dg_sct, AVE", "dg_sct, AVQA", "avmoe, AVE", "avmoe without skip"],
)
def test_parameters_between_the_published_backbones(adapter, expected):
    """The official networks on Swin v2-L and HTS-AT, instantiated; AVMoE: yingchengy/AVMOE, commit edd2383."""
    facts = count(Component.parse(PUBLISHED_TOWERS), Component.parse(adapter), Component("event_localisation"))
    assert facts["adapter"] == expected
    assert facts["backbone"] == 195_202_932 + 27_534_488
