"""Rotary positions on every grid, and what the reader of Eva refuses."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from library_models import FAMILIES, PICTURE, SIDE, perturbed, run, timm_truth
from timm.models.eva import Eva

from backbones.families.eva import eva, read_eva
from backbones.pictures import PictureSpec, SoundPicture
from backbones.rotary import Rotary
from registry.errors import UserError

SMALL = {"patch_size": 8, "embed_dim": 48, "depth": 2, "num_heads": 4, "num_classes": 0, "use_rot_pos_emb": True}
KINDS = {
    "eva02": {"ref_feat_shape": (3, 3), "use_abs_pos_emb": False, "swiglu_mlp": True},
    "dinov3": {"rope_type": "dinov3", "rope_rotate_half": True, "use_abs_pos_emb": False, "num_reg_tokens": 2,
               "no_embed_class": True},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_sound_pictures_have_the_positions_that_timm_computes_for_their_grid(kind: str) -> None:
    sound = PictureSpec(SIDE, (0.5,) * 3, (0.5,) * 3, SoundPicture(41, 10.0, 27, 0.0, 1.0))
    model = perturbed(partial(Eva, img_size=SIDE, **SMALL, **KINDS[kind]))
    backbone = read_eva(model, sound)
    wide = Eva(img_size=(24, 40), **SMALL, **KINDS[kind]).eval()
    wide.load_state_dict(model.state_dict())
    pictures = torch.randn(1, 1, 3, 24, 40, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        truth, _ = timm_truth(wide, pictures[0])
        torch.testing.assert_close(run(backbone, pictures).tokens[0], truth, rtol=0, atol=1e-5)


def test_prompts_have_no_place_and_time_turns_nothing() -> None:
    block = read_eva(perturbed(FAMILIES["eva_02_small"].build), PICTURE).blocks[0]
    x = torch.randn(1, 17, 17, 48, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        # As many prompts in another order are the same; as many times as tokens are no picture.
        prompts = torch.randn(3, 48)
        torch.testing.assert_close(block.attend(x, context=prompts), block.attend(x, context=prompts.flip(0)))
        torch.testing.assert_close(
            block.attend_over_time(x).flip(1), block.attend_over_time(x.flip(1)), rtol=0, atol=1e-5
        )


def test_grids_that_tokens_cannot_tell_apart_are_refused() -> None:
    with pytest.raises(UserError, match=r"2 x 8 .*cannot tell apart"):
        Rotary(lambda grid: torch.zeros(grid[0] * grid[1], 8), [(4, 4), (2, 8)], prefix=1)


def test_tokens_of_no_known_picture_are_refused() -> None:
    with pytest.raises(UserError, match="7 tokens are not those of a picture of 2 x 2 patches"):
        Rotary(lambda grid: torch.zeros(4, 8), [(2, 2)], prefix=1)(torch.zeros(1, 7, 4), 7)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rope_type": "mixed"}, "learns them"),
        ({"global_pool": "max"}, "token, avg or map pooling"),
        ({"use_fc_norm": True, "use_post_transformer_norm": True}, "one norm at the end"),
    ],
)
def test_what_the_reader_does_not_know_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_eva(Eva(img_size=SIDE, **SMALL, **options), PICTURE)


@pytest.mark.parametrize("model", ["eva02_tiny_patch14_224", "vit_small_patch16_dinov3", "vit_base_patch16_224"])
def test_models_are_found_by_timms_names(model: str) -> None:
    with torch.device("meta"):
        if model == "vit_base_patch16_224":
            with pytest.raises(UserError, match="the eva reader takes Eva"):
                eva(model=model, weights="none")
        else:
            assert eva(model=model, weights="none").random_weights
