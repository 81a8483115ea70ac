"""CoLA: what the partner's summary changes, where it is read, and sizes as published.

Sizes are those of the official classes, instantiated (peterwisu/CoLA, commit d26d99d).
"""

from __future__ import annotations

import pytest
import torch

from adapters.cola import Cola, ColaBlock, CrossModalLora
from adapters.contract import encode, perturbed
from adapters.toy import ToyBackbone
from adapters.unimodal.lora import Lora
from benchmark.cost.describe import count
from registry import Component, UserError


@pytest.mark.parametrize(("backbone", "expected"), [("vit_base", 17_826_192), ("vit_large", 52_181_280)])
def test_both_streams_of_one_shared_backbone(backbone, expected):
    facts = count(
        Component(backbone), Component("cola"), Component.parse("event_localisation(data='ave', head='lavish')")
    )
    assert facts["adapter"] == expected
    assert backbone == "vit_large" or facts["head"] == 801_821


def tower(dim, blocks, context, every=1):
    sites = {"qkv": (dim, 3 * dim), "proj": (dim, dim), "fc1": (dim, 4 * dim), "fc2": (4 * dim, dim)}
    total = 0
    for place in range(1, blocks + 1):
        with torch.device("meta"):
            options = {"context": None if place % every else context, "hidden": context // 16}

            def gain(site, options=options):
                parts = 3 if site == "qkv" else 1
                return CrossModalLora(*sites[site], parts=parts, rank=16, alpha=8, scale=0.1, **options)

            block = ColaBlock({"visual": gain}, {"visual": "class"})
        total += sum(p.numel() for p in block.deltas["visual"].parameters())
    return total


def test_each_published_tower():
    assert tower(768, 12, 768) == 8_913_096
    assert tower(1024, 24, 768, every=2) == 14_221_512
    assert tower(1024, 24, 1024) == 26_090_640


def pictures():
    torch.manual_seed(1)
    return {m: torch.randn(2, 3, 3, 16, 16) for m in ("visual", "audio")}


def test_a_lone_stream_has_lora_alone():
    backbone = ToyBackbone()
    scheme = perturbed(Cola(backbone, rank=4, alpha=6.0, reduction=4))
    lora = Lora(backbone, rank=4, alpha=6.0, sites=("proj", "fc1", "fc2"))
    for index, block in enumerate(scheme.blocks):
        for m in ("visual", "audio"):
            for part in block.deltas[m]["qkv"].own:
                torch.nn.init.zeros_(part.up.weight)
            for site in ("proj", "fc1", "fc2"):
                lora.deltas[index][m][site].load_state_dict(block.deltas[m][site].own[0].state_dict())
    alone = {"audio": pictures()["audio"]}
    torch.testing.assert_close(
        encode(scheme, backbone, alone)["audio"].tokens, encode(lora, backbone, alone)["audio"].tokens
    )


def test_the_partner_writes_a_matrix_for_each_frame():
    change = perturbed(CrossModalLora(6, 10, parts=1, rank=2, alpha=4, context=8, hidden=3, scale=0.5))
    x, summary = torch.randn(2, 3, 5, 6), torch.randn(2, 3, 8)
    own, cross = change.own[0], change.cross[0]
    cores = cross.core(summary)
    for clip in range(2):
        for frame in range(3):
            code = x[clip, frame] @ cross.inner.down.weight.T @ cores[clip, frame].T
            expected = own(x[clip, frame]) + cross.scale * code @ cross.inner.up.weight.T
            torch.testing.assert_close(change(x, summary)[clip, frame], expected)
    # In windows, or with B and T as one axis, as blocks hand it.
    folded = x.flatten(0, 1)[:, None]
    torch.testing.assert_close(change(folded, summary), change(x, summary).flatten(0, 1)[:, None])


def test_both_summaries_of_an_exchange_are_read_before_either_stream_moves():
    """With equal changes, a step on swapped streams is the swapped step."""
    backbone = ToyBackbone()
    scheme = perturbed(Cola(backbone, rank=4, reduction=4))
    for block in scheme.blocks:
        block.deltas["audio"].load_state_dict(block.deltas["visual"].state_dict())
    one, two = torch.randn(2, 2, 3, 4, 32)
    straight = scheme.forward_block(0, backbone.blocks[0], {"visual": one, "audio": two})
    swapped = scheme.forward_block(0, backbone.blocks[0], {"visual": two, "audio": one})
    assert torch.equal(straight["visual"], swapped["audio"])
    assert torch.equal(straight["audio"], swapped["visual"])


def test_the_projection_reads_the_partners_mixed_values():
    """The same as two passes of attention, the first to see what goes into its last projection."""
    backbone = ToyBackbone()
    scheme = perturbed(Cola(backbone, rank=4, reduction=4))
    block, adapted = backbone.blocks[0], scheme.blocks[0]
    streams = {m: torch.randn(2, 3, 4, 32) for m in ("visual", "audio")}
    qkv, mixed, attended = adapted.bind(streams, "qkv"), {}, {}
    for m, x in streams.items():
        block.attend(x, delta={**qkv[m], "proj": lambda given, m=m: mixed.__setitem__(m, given) or given.new_zeros(())})
    proj = adapted.bind(mixed, "proj")
    for m, x in streams.items():
        attended[m] = x + block.attend(x, delta={**qkv[m], **proj[m]})
    mlp = adapted.bind(attended, "fc1", "fc2")
    expected = {m: x + block.feed_forward(x, delta=mlp[m]) for m, x in attended.items()}
    for m, x in adapted(block, streams).items():
        torch.testing.assert_close(x, expected[m])


def test_the_last_block_of_every_few_reads_the_partner():
    scheme = Cola(ToyBackbone(), reduction=4, every=2)
    assert [block.deltas["audio"]["fc1"].cross is not None for block in scheme.blocks] == [False, True, False]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rank": 0}, "rank=0 must be at least 1"),
        ({"every": 0}, "every=0 must be at least 1"),
        ({"reduction": 64}, "leaves no hidden channel at width 32"),
        ({"summary": "class"}, "no class token"),
        ({"summary": "max"}, "class, mean, pool"),
    ],
)
def test_wrong_options_are_refused(options, words):
    with pytest.raises(UserError, match=words):
        Cola(ToyBackbone(), **options)
