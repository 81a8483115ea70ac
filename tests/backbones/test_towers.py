"""Two backbones side by side: which blocks go together, and what they say of themselves."""

from __future__ import annotations

import pytest
import torch

from adapters.parts import blocks_in, stage_ends, steps_of
from backbones.backbone import Backbone
from backbones.families.vit import read_vit
from backbones.pictures import PictureSpec, square_sound
from backbones.towers import Towers, paired, towers
from registry.errors import UserError

SWIN_V2_LARGE = [1, 1, 2, 2, *[4] * 18, 8, 8]
HTSAT = [1, 1, 2, 2, *[3] * 6, 5, 5]


def vit(dim: int, depth: int) -> Backbone:
    from timm.models.vision_transformer import VisionTransformer

    model = VisionTransformer(img_size=16, patch_size=8, embed_dim=dim, depth=depth, num_heads=4)
    return read_vit(model, PictureSpec(16, (0.5,) * 3, (0.25,) * 3, square_sound(16, -4.0, 3.0)))


@pytest.mark.parametrize(
    ("widths", "together"),
    [
        (([8] * 18, [6] * 6), [(2, 0), (5, 1), (8, 2), (11, 3), (14, 4), (17, 5)]),
        (([8] * 24, [6] * 12), [(2 * j + 1, j) for j in range(12)]),
        (([8] * 12, [6] * 12), [(j, j) for j in range(12)]),
        (([8] * 2, [6] * 5), [(0, 1), (1, 4)]),
        (([8] * 4, HTSAT), [(0, 2), (1, 5), (2, 8), (3, 11)]),
    ],
    ids=["dg_sct", "cola", "one to one", "sound is deeper", "a stage against four"],
)
def test_a_block_goes_with_the_last_of_its_share(widths, together):
    steps = list(paired(widths))
    assert [pair for pair in steps if None not in pair] == together
    for column, dims in enumerate(widths):
        assert [pair[column] for pair in steps if pair[column] is not None] == list(range(len(dims)))


def test_stage_by_stage_where_both_have_as_many():
    """Twelve pairs of Swin v2-L and HTS-AT, as DG-SCT's authors have them."""
    pairs = [pair for pair in paired((SWIN_V2_LARGE, HTSAT)) if None not in pair]
    stage_three = [(4 + 3 * j + 2, 4 + j) for j in range(6)]
    assert pairs == [(0, 0), (1, 1), (2, 2), (3, 3), *stage_three, (22, 10), (23, 11)]


def test_steps_hold_the_blocks_themselves():
    built = Towers(vit(32, 2), vit(16, 4))
    steps = steps_of(built)
    assert [set(step.blocks) for step in steps] == [{"audio"}, {"visual", "audio"}] * 2
    assert steps[1].blocks["visual"] is built.towers["visual"].blocks[0]
    assert steps[3].blocks["audio"] is built.towers["audio"].blocks[3]
    assert (built.tokens("visual"), built.tokens("audio")) == ([0, 5, 0, 5], [5] * 4)
    assert built.dim == {"visual": 32, "audio": 16}
    assert Towers(vit(16, 1), vit(16, 1)).dim == 16


def test_a_plain_backbone_is_its_own_steps():
    backbone = vit(32, 2)
    assert steps_of(backbone) == list(backbone.blocks)
    first = backbone.blocks[0]
    assert blocks_in(first) == {"visual": first, "audio": first}
    assert stage_ends(steps_of(backbone)) == {"visual": frozenset(), "audio": frozenset()}


def test_what_is_frozen_and_known_by_its_name():
    built = Towers(vit(32, 1), vit(16, 1))
    assert not any(p.requires_grad for p in built.parameters())
    assert not built.train().training
    names = [name for name, _ in built.named_parameters()]
    assert "final_norm.audio.weight" in names
    assert "towers.audio.final_norm.weight" not in names
    built.cast_projections(torch.bfloat16)
    assert built.towers["audio"].blocks[0].mlp.fc1.weight.dtype == torch.bfloat16


def test_each_front_end_is_that_of_its_tower():
    built = towers(visual="tiny_swin", audio="tiny_vit(weights='none')")
    seen, heard = (built.towers[m].picture for m in ("visual", "audio"))
    assert (built.picture.size, built.picture.mean, built.picture.sound) == (seen.size, seen.mean, heard.sound)


def test_weights_of_both_are_named():
    built = towers(visual="tiny_swin", audio="tiny_vit")
    assert list(built.weight_files) == ["visual: tiny_swin.safetensors", "audio: tiny_vit.safetensors"]
    assert not built.random_weights
    assert towers(visual="tiny_swin", audio="tiny_vit(weights='none')").random_weights


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({"visual": "tiny_vit"}, "needs a backbone for audio"),
        ({"visual": "tiny_vit", "audio": "tiny_wit"}, "did you mean 'tiny_vit'|tiny_vit"),
        ({"visual": "tiny_vit", "audio": "towers(visual='tiny_vit', audio='tiny_vit')"}, "names towers in a tower"),
        ({"visual": "tiny_vit", "audio": "tiny_vit("}, "cannot read component"),
        ({"visual": "ast(weights='none')", "audio": "tiny_vit"}, "hears and does not see"),
    ],
)
def test_what_is_no_pair_is_refused(texts, words):
    with torch.device("meta"), pytest.raises(UserError, match=words):
        towers(**texts)
