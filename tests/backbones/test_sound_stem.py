"""Sound through a stem of its own: the same tokens as through the shared one, by separate frozen parameters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from library_models import FAMILIES, PICTURE, SOUND, perturbed

from benchmark.model.front_end import FrontEnd
from registry import BACKBONES, look_up

POSITIONS = {"vit": "linear", "clip_gelu": "crop", "swin": None, "swin_v2": None}


@pytest.mark.parametrize("channels", ["sum", "mean"])
@pytest.mark.parametrize("family", POSITIONS)
def test_a_stem_of_its_own_makes_the_tokens_of_the_shared_one(family, channels):
    sound = replace(SOUND, channels=channels, **({"frames": 24} if POSITIONS[family] else {}))
    options = {"positions": POSITIONS[family]} if POSITIONS[family] else {}
    embedded = {}
    for stem in ("shared", "own"):
        picture = replace(PICTURE, sound=replace(sound, stem=stem))
        backbone = FAMILIES[family].read(perturbed(FAMILIES[family].build), picture, **options)
        waveform = torch.randn(1, 2, 16_000, generator=torch.Generator().manual_seed(0))
        heard = FrontEnd(picture).audio(waveform)
        assert heard.shape[2] == (3 if stem == "shared" else 1)
        embedded[stem] = backbone.embed(heard)
        assert not any(p.requires_grad for p in backbone.parameters())
    torch.testing.assert_close(embedded["own"], embedded["shared"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "sound", "parameters"),
    [
        ("clip_vit_base", {"stem": "own"}, 86_032_128 + 1_536),
        ("clip_vit_large", {"stem": "own"}, 303_443_968 + 2_048),
        ("swin_base", {"stem": "own"}, 86_745_656),
        ("swin_large", {"stem": "own"}, 194_999_124),
    ],
)
def test_with_it_presets_have_stg_cmas_number_of_frozen_parameters(name, sound, parameters):
    """STG-CMA's table of counts; on CLIP it trains the final norm, which is part of the backbone here."""
    with torch.device("meta"):
        backbone: Any = look_up(BACKBONES, name)(sound=sound)
    assert sum(p.numel() for p in backbone.parameters()) == parameters
