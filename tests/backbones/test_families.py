"""Every reader against the library's own forward, and what a frozen backbone promises."""

from __future__ import annotations

import pytest
import torch
from library_models import FAMILIES, PICTURE, SIDE, Family, perturbed, run

from backbones.attention import Attention
from registry.errors import UserError


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.randn(2, 2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def test_blocks_equal_the_librarys_own_forward(family: Family, pictures: torch.Tensor) -> None:
    model = perturbed(family.build)
    with torch.no_grad():
        tokens, pooled = family.truth(model, pictures.flatten(0, 1))
        features = run(family.read(model, PICTURE), pictures)
    assert 0.3 < tokens.std() < 3
    torch.testing.assert_close(features.tokens.flatten(0, 1), tokens, rtol=0, atol=1e-5)
    torch.testing.assert_close(features.pooled.flatten(0, 1), pooled, rtol=0, atol=1e-5)


def test_every_parameter_of_the_library_model_is_shared_and_frozen(family: Family) -> None:
    model = perturbed(family.build)
    theirs = {id(p) for name, p in model.named_parameters() if name != "proj"}  # CLIP's last projection is dropped.
    backbone = family.read(model, PICTURE)
    assert {id(p) for p in backbone.parameters()} == theirs
    assert not any(p.requires_grad for p in backbone.parameters())


def test_train_mode_changes_nothing(family: Family, pictures: torch.Tensor) -> None:
    """DeiT III is built here with half of its branches dropped in train mode."""
    backbone = family.read(perturbed(family.build), PICTURE)
    around = torch.nn.Sequential(backbone)
    with torch.no_grad():
        before = run(backbone, pictures)
        around.train()
        after = run(backbone, pictures)
    assert not any(module.training for module in backbone.modules())
    assert torch.equal(before.tokens, after.tokens)


def test_gradients_pass_through_to_the_pictures(family: Family, pictures: torch.Tensor) -> None:
    pictures.requires_grad_()
    run(family.read(perturbed(family.build), PICTURE), pictures).pooled.square().sum().backward()
    assert pictures.grad is not None
    assert (pictures.grad.flatten(0, 1).abs().sum((1, 2, 3)) > 0).all()


def test_runs_on_the_meta_device(family: Family) -> None:
    with torch.device("meta"):
        backbone = family.read(family.build(), PICTURE)
        features = run(backbone, torch.empty(1, 2, 3, SIDE, SIDE))
    assert features.tokens.shape == (1, 2, features.tokens.shape[2], backbone.dim)
    assert features.pooled.shape == (1, 2, backbone.dim)
    assert features.pooled.is_meta


@pytest.mark.parametrize("name", ["vit", "clip_quick_gelu", "swin", "swin_v2"])
def test_weights_held_in_bfloat16_stay_close(name: str, pictures: torch.Tensor) -> None:
    family = FAMILIES[name]
    with torch.no_grad():
        exact = run(family.read(perturbed(family.build), PICTURE), pictures).pooled
        held = family.read(perturbed(family.build), PICTURE).cast_projections(torch.bfloat16)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = run(held, pictures).pooled.float()
    error = (rounded - exact).norm() / exact.norm()
    assert 0 < error < 0.05


def test_held_weights_are_cast_once_and_norms_stay_exact() -> None:
    backbone = FAMILIES["swin"].read(perturbed(FAMILIES["swin"].build), PICTURE).cast_projections(torch.bfloat16)
    attention = backbone.blocks[1].attention
    assert isinstance(attention, Attention)
    assert attention.qkv.weight.dtype == attention.bias.dtype == torch.bfloat16
    assert backbone.final_norm.weight.dtype == torch.float32
    assert not any(p.requires_grad for p in backbone.parameters())


def test_position_bias_is_no_part_of_the_state() -> None:
    backbone = FAMILIES["swin"].read(perturbed(FAMILIES["swin"].build), PICTURE)
    assert not any(key.endswith(".attention.bias") for key in backbone.state_dict())


def test_random_weights_are_flagged() -> None:
    model = perturbed(FAMILIES["vit"].build)
    assert FAMILIES["vit"].read(model, PICTURE).random_weights
    assert not FAMILIES["vit"].read(model, PICTURE, weight_files={"vit.safetensors": "ab12"}).random_weights


def test_a_reader_refuses_another_family() -> None:
    with pytest.raises(UserError, match=r"vit reader takes VisionTransformer, .*SwinTransformer"):
        FAMILIES["vit"].read(FAMILIES["swin"].build(), PICTURE)


def test_an_activation_of_another_kind_changes_the_answer(pictures: torch.Tensor) -> None:
    """The tolerance above is tight enough to tell QuickGELU from GELU."""
    model = perturbed(FAMILIES["clip_quick_gelu"].build)
    right = run(FAMILIES["clip_quick_gelu"].read(model, PICTURE), pictures).pooled
    for block in model.transformer.resblocks:
        block.mlp.gelu = torch.nn.GELU()
    wrong = run(FAMILIES["clip_quick_gelu"].read(model, PICTURE), pictures).pooled
    assert (right - wrong).abs().max() > 1e-3


def test_clip_heads_can_be_cut_differently(pictures: torch.Tensor) -> None:
    family = FAMILIES["clip_gelu"]
    model = perturbed(family.build)
    backbone = family.read(model, PICTURE, heads=3)
    assert {block.heads for block in backbone.blocks} == {3}
    for block in model.transformer.resblocks:
        block.attn.num_heads, block.attn.head_dim = 3, 16
    with torch.no_grad():
        _, pooled = family.truth(model, pictures.flatten(0, 1))
        torch.testing.assert_close(run(backbone, pictures).pooled.flatten(0, 1), pooled, rtol=0, atol=1e-5)
    with pytest.raises(UserError, match="heads=5 does not divide the width 48"):
        family.read(model, PICTURE, heads=5)


def test_stages_say_the_width_and_grid_of_the_tokens_of_each(family: Family, pictures: torch.Tensor) -> None:
    backbone = family.read(perturbed(family.build), PICTURE)
    left: dict[int, torch.Tensor] = {}
    x = backbone.embed(pictures)
    prefix = x.shape[2] - backbone.stages[0].side ** 2
    for block in backbone.blocks:
        x = block.enter(x)
        left[x.shape[-1]] = x
    assert [(width, x.shape[2] - prefix) for width, x in left.items()] == [
        (stage.width, stage.side**2) for stage in backbone.stages
    ]
    assert all(stage.side * stage.patch == SIDE for stage in backbone.stages)
