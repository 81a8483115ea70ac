"""LAVISH: sizes, order of reading and options."""

from __future__ import annotations

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
        ({"latent_start": "ones"}, "uniform, zeros"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_with_the_mend(options, words):
    with pytest.raises(UserError, match=words):
        Lavish(ToyBackbone(dim=32), **options)
