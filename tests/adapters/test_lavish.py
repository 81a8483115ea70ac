"""LAVISH: sizes, order of reading and options."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from adapters.lavish import LatentAdapter, Lavish
from adapters.toy import ToyBackbone
from registry import UserError


@pytest.mark.parametrize(
    ("dim", "layers", "expected"), [(768, 12, 3_843_168), (1024, 24, 13_394_112)], ids=["ViT-B", "ViT-L"]
)
def test_parameters_of_the_published_settings(dim, layers, expected):
    """Counted from the official modules with two latents, reduction 8, two groups, batch norm, both norms and gates."""
    with torch.device("meta"):
        adapter = LatentAdapter(dim)
    assert 4 * layers * sum(p.numel() for p in adapter.parameters()) == expected


def test_both_modalities_look_before_either_moves():
    """With the adapters equal, a step on swapped streams is the swapped step; sequential updates would break this."""
    backbone = ToyBackbone()
    scheme = Lavish(backbone).eval()
    with torch.no_grad():
        for site in (scheme.beside_attention[0], scheme.beside_mlp[0]):
            site.adapters["audio"].load_state_dict(site.adapters["visual"].state_dict())
            for adapter in site.adapters.values():
                adapter.bottleneck.gate.weight.fill_(1.0)
                adapter.reader.gate.weight.fill_(1.0)
    one, two = torch.randn(2, 2, 3, 4, 32)
    straight = scheme.forward_block(0, backbone.blocks[0], {"visual": one, "audio": two})
    swapped = scheme.forward_block(0, backbone.blocks[0], {"visual": two, "audio": one})
    assert torch.equal(straight["visual"], swapped["audio"])
    assert torch.equal(straight["audio"], swapped["visual"])


def test_stochastic_depth_of_the_frozen_branches_draws_for_each_frame_and_stream():
    """As timm's Swin v2 does it in training; the adapters beside the branch are never dropped."""
    torch.manual_seed(0)
    scheme = Lavish(ToyBackbone(), drop_path=0.5).train()
    assert [site.drop for site in scheme.beside_mlp] == [0.0, 0.25, 0.5]
    streams = {m: torch.zeros(8, 5, 4, 64) for m in ("visual", "audio")}
    block = SimpleNamespace(feed_forward=torch.ones_like)
    added = scheme.beside_mlp[-1](block, "feed_forward", streams)
    for x in added.values():
        assert set(x.unique().tolist()) == {0.0, 2.0}
        assert torch.equal(x, x[:, :, :1, :1].expand_as(x))
    assert not torch.equal(added["visual"], added["audio"])
    quiet = scheme.eval().beside_mlp[-1](block, "feed_forward", streams)
    assert all(torch.equal(x, torch.ones_like(x)) for x in quiet.values())


def test_without_exchange_the_partner_is_not_read():
    scheme = Lavish(ToyBackbone(), exchange=False)
    assert not [name for name, _ in scheme.named_parameters() if "reader" in name]


def test_only_audio_can_lose_its_gate():
    gates = [
        name for name, _ in Lavish(ToyBackbone(), gate_audio=False).named_parameters() if "bottleneck.gate" in name
    ]
    assert len(gates) == 6
    assert all("visual" in name for name in gates)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"groups": 3}, "use groups=1"),
        ({"reduction": 64}, "reduction 1, 2, 3, 4, 8, 12, 16 would do"),
        ({"latents": 0}, "exchange=False"),
        ({"drop_path": 1.0}, "drop_path=1.0 must be"),
        ({"latent_start": "ones"}, "uniform, zeros"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_with_the_mend(options, words):
    with pytest.raises(UserError, match=words):
        Lavish(ToyBackbone(dim=32), **options)
