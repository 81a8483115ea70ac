"""LoRA as in Hugging Face's peft, and as a merged weight."""

from __future__ import annotations

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from adapters.contract import encode, perturbed
from adapters.toy import ToyBackbone
from adapters.unimodal.lora import Lora
from backbones.families.vit import read_vit
from backbones.pictures import PictureSpec, square_sound
from registry.errors import UserError

SITES = {"qkv": "attn.qkv", "proj": "attn.proj", "fc1": "mlp.fc1", "fc2": "mlp.fc2"}


def vit() -> VisionTransformer:
    torch.manual_seed(0)
    model = VisionTransformer(img_size=16, patch_size=8, embed_dim=32, depth=3, num_heads=4, num_classes=0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model.eval()


def read(model: VisionTransformer):
    return read_vit(model, PictureSpec(16, (0.5,) * 3, (0.5,) * 3, square_sound(16, 0.0, 1.0)))


@pytest.mark.parametrize("sites", [("qkv", "proj"), ("qkv",), ("qkv", "proj", "fc1", "fc2")])
def test_the_numbers_of_peft(sites):
    """The same factors in peft's LoRA on timm's own model: features and gradients agree."""
    peft = pytest.importorskip("peft", reason="needs peft: pip install -e '.[reference]'")
    scheme = perturbed(Lora(read(vit()), rank=4, alpha=6.0, sites=sites))
    theirs = peft.get_peft_model(
        vit(), peft.LoraConfig(r=4, lora_alpha=6, target_modules=[SITES[site].split(".")[-1] for site in sites])
    ).eval()
    pairs = []
    for index, deltas in enumerate(scheme.deltas):
        for site in sites:
            layer = theirs.base_model.model.get_submodule(f"blocks.{index}.{SITES[site]}")
            ours = deltas["visual"][site]
            pairs += [
                (ours.down.weight, layer.lora_A["default"].weight),
                (ours.up.weight, layer.lora_B["default"].weight),
            ]
    with torch.no_grad():
        for ours, copy in pairs:
            copy.copy_(ours)
    picture = torch.randn(2, 3, 3, 16, 16)
    features = encode(scheme, read(vit()), {"visual": picture})["visual"].pooled
    expected = theirs(picture.flatten(0, 1)).unflatten(0, (2, 3))
    torch.testing.assert_close(features, expected, rtol=1e-5, atol=1e-5)
    weights = torch.randn_like(features)
    (features * weights).sum().backward()
    (expected * weights).sum().backward()
    for ours, copy in pairs:
        torch.testing.assert_close(ours.grad, copy.grad, rtol=1e-4, atol=1e-4)


def test_a_change_can_be_merged_into_the_weight():
    model = vit()
    scheme = perturbed(Lora(read(model), rank=2, alpha=3.0, sites=("qkv", "proj", "fc1", "fc2")))
    picture = torch.randn(1, 2, 3, 16, 16)
    changed = encode(scheme, read(model), {"audio": picture})["audio"].pooled
    with torch.no_grad():
        for block, deltas in zip(model.blocks, scheme.deltas, strict=True):
            for site, name in SITES.items():
                delta = deltas["audio"][site]
                block.get_submodule(name).weight += 1.5 * delta.up.weight @ delta.down.weight
        merged = model(picture.flatten(0, 1))[None]
    torch.testing.assert_close(changed, merged, rtol=1e-5, atol=1e-5)


def test_each_modality_has_changes_of_its_own():
    scheme = Lora(ToyBackbone(), rank=3, sites="fc1")
    by_hand = sum(2 * 3 * (dim + 2 * dim) for dim in (32, 32, 64))
    assert sum(p.numel() for p in scheme.parameters()) == by_hand


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rank": 0}, "rank=0 must be at least 1"),
        ({"sites": ("qkw",)}, "Did you mean qkv"),
        ({"sites": ()}, "changes nothing"),
    ],
)
def test_wrong_options_are_refused(options, words):
    with pytest.raises(UserError, match=words):
        Lora(ToyBackbone(), **options)
