"""What schemes may ask of a backbone beside its blocks."""

from __future__ import annotations

import pytest
import torch
from library_models import FAMILIES, PICTURE, perturbed

from backbones.backbone import Backbone
from backbones.pictures import PictureSpec, SoundPicture

SOUND = {"vit": SoundPicture(16, 10.0, 24, 0.0, 1.0), "swin": PICTURE.sound}


@pytest.mark.parametrize("stem", ["shared", "own"])
@pytest.mark.parametrize(
    ("name", "visual", "audio"), [("vit", [17] * 3, [7] * 3), ("swin", [256] * 2 + [64] * 2, [256] * 2 + [64] * 2)]
)
def test_tokens_of_each_block_are_those_of_its_pictures(name: str, visual: list, audio: list, stem: str) -> None:
    sound = SoundPicture(**{**vars(SOUND[name]), "stem": stem})
    picture = PictureSpec(PICTURE.size, PICTURE.mean, PICTURE.std, sound)
    backbone: Backbone = FAMILIES[name].read(perturbed(FAMILIES[name].build), picture)
    assert (backbone.tokens("visual"), backbone.tokens("audio")) == (visual, audio)
    with torch.device("meta"):
        assert backbone.to("meta").tokens("audio") == audio


def test_a_class_token_is_known_by_the_pooling() -> None:
    found = {name: FAMILIES[name].read(perturbed(FAMILIES[name].build), PICTURE) for name in ("vit", "swin")}
    assert (found["vit"].has_class_token, found["swin"].has_class_token) == (True, False)
