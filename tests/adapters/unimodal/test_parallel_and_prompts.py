"""AdaptFormer and deep prompts against their equations, written by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer

from adapters.contract import encode, perturbed
from adapters.toy import ToyBackbone
from adapters.unimodal.adaptformer import AdaptFormer
from adapters.unimodal.deep_prompts import DeepPrompts
from backbones.families.vit import read_vit
from backbones.pictures import PictureSpec, square_sound
from registry.errors import UserError


def test_adaptformer_is_its_equation():
    """x' + MLP(LN(x')) + s · up(ReLU(down(x'))), equations 2 and 3 of the paper, without the adapter's norm."""
    toy = ToyBackbone()
    scheme = perturbed(AdaptFormer(toy, hidden=5, scale=0.3))
    block, x = toy.blocks[0], torch.randn(2, 3, 4, 32)
    out = scheme.forward_block(0, block, {"audio": x})["audio"]
    adapter = scheme.beside_mlp[0]["audio"]
    between = x + block.attend(x)
    hidden = (between @ adapter.down.weight.T + adapter.down.bias).clamp(min=0)
    by_hand = between + block.feed_forward(between) + 0.3 * (hidden @ adapter.up.weight.T + adapter.up.bias)
    torch.testing.assert_close(out, by_hand)


def test_adaptformer_drops_only_in_training():
    scheme = perturbed(AdaptFormer(ToyBackbone(), dropout=0.5))
    x = torch.randn(2, 32)
    adapter = scheme.beside_mlp[0]["visual"]
    assert torch.equal(adapter(x), adapter(x))
    adapter.train()
    assert not torch.equal(adapter(x), adapter(x))


def test_deep_prompts_are_tokens_put_before_each_block_and_cut_off_behind_it():
    """timm's own blocks on [prompts, tokens], as VPT-Deep inserts them (equation 4 of the paper)."""
    torch.manual_seed(0)
    model = VisionTransformer(img_size=16, patch_size=8, embed_dim=32, depth=2, num_heads=4, num_classes=0).eval()
    backbone = read_vit(model, PictureSpec(16, (0.5,) * 3, (0.5,) * 3, square_sound(16, 0.0, 1.0)))
    scheme = perturbed(DeepPrompts(backbone, prompts=3))
    picture = torch.randn(1, 2, 3, 16, 16)
    ours = encode(scheme, backbone, {"visual": picture})["visual"].tokens[0]
    x = backbone.embed(picture)[0]
    for block, prompts in zip(model.blocks, scheme.prompts, strict=True):
        x = block(torch.cat([prompts["visual"].expand(len(x), -1, -1), x], dim=1))[:, 3:]
    torch.testing.assert_close(ours, model.norm(x), rtol=1e-5, atol=1e-5)


def test_prompts_join_every_group_of_a_block():
    toy = ToyBackbone()
    scheme = perturbed(DeepPrompts(toy, prompts=1))
    block, x = toy.blocks[0], torch.randn(1, 1, 4, 32)
    attended = scheme.forward_block(0, block, {"audio": x})["audio"] - x
    plain = x + block.attend(x)
    plain = plain + block.feed_forward(plain) - x
    assert (attended - plain).abs().amax(-1).min() > 1e-4


def test_the_bottleneck_reads_tokens_without_a_norm():
    scheme = perturbed(AdaptFormer(ToyBackbone()))
    adapter = scheme.beside_mlp[0]["audio"]
    x = torch.randn(3, 32)
    expected = 0.1 * adapter.up(F.relu(adapter.down(x)))
    torch.testing.assert_close(adapter(x), expected)


@pytest.mark.parametrize(
    ("build", "options", "words"),
    [
        (AdaptFormer, {"hidden": 0}, "hidden=0 must be at least 1"),
        (AdaptFormer, {"dropout": 1.0}, "dropout=1.0 must be at least 0 and below 1"),
        (DeepPrompts, {"prompts": 0}, "prompts=0 must be at least 1"),
    ],
)
def test_wrong_options_are_refused(build, options, words):
    with pytest.raises(UserError, match=words):
        build(ToyBackbone(), **options)
