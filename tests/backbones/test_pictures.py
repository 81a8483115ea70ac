"""Sizes and sound pictures that a backbone takes and refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from library_models import FAMILIES, PICTURE, SOUND
from timm.models.swin_transformer import SwinTransformer

from backbones.families.swin import read_swin
from backbones.pictures import SOUND_PRESETS, PictureSpec, SoundPicture, square_sound
from registry import BACKBONES, look_up
from registry.errors import UserError


@pytest.mark.parametrize(("size", "shift_ms"), [(224, 4.4), (192, 5.2)])
def test_square_sound_has_the_published_frame_shifts(size: int, shift_ms: float) -> None:
    sound = square_sound(size, 0.0, 1.0)
    assert (sound.frames, sound.mel_bands, sound.frame_shift_ms) == (size, size, shift_ms)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mels": 64}, "unknown option of sound 'mels'. Did you mean mel_bands"),
        ({"frames": 0}, "sound frames=0 must be more than 0"),
        ({"channels": "max"}, "unknown sound channels 'max'"),
    ],
)
def test_impossible_sound_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        SOUND.override(changes)


def test_frames_that_do_not_divide_are_refused_with_sizes_that_do() -> None:
    with pytest.raises(UserError, match="picture size 33 is not a multiple of the patch size 8; use 32 or 40"):
        FAMILIES["vit"].read(FAMILIES["vit"].build(), replace(PICTURE, size=33))


def swin(size: int) -> SwinTransformer:
    return SwinTransformer(img_size=size, patch_size=2, embed_dim=8, depths=(1, 1), num_heads=(1, 1), window_size=4)


def test_windows_that_do_not_divide_are_refused_with_sizes_that_do() -> None:
    with pytest.raises(UserError, match=r"picture size 40 does not divide .* sizes that do: (.*)\.") as refusal:
        read_swin(swin(40), replace(PICTURE, size=40))
    named = [int(size) for size in str(refusal.value).rpartition(": ")[2].rstrip(".").split(", ")]
    assert named
    for size in named:
        read_swin(swin(size), replace(PICTURE, size=size, sound=square_sound(size, 0.0, 1.0)))


def test_swin_refuses_sound_of_another_size() -> None:
    with pytest.raises(UserError, match="picture of 20 x 32 does not fit this backbone, which takes 32 x 32"):
        FAMILIES["swin"].read(FAMILIES["swin"].build(), replace(PICTURE, sound=replace(SOUND, frames=20)))


def test_sound_smaller_than_a_patch_is_refused() -> None:
    with pytest.raises(UserError, match=r"picture of 7 x 32 .* at least one patch of 8 x 8"):
        FAMILIES["vit"].read(FAMILIES["vit"].build(), replace(PICTURE, sound=replace(SOUND, frames=7)))


def test_rows_that_fill_no_patch_are_dropped() -> None:
    backbone = FAMILIES["vit"].read(FAMILIES["vit"].build(), PICTURE)
    pictures = torch.randn(1, 2, 3, 22, 32)
    assert torch.equal(backbone.embed(pictures), backbone.embed(pictures[:, :, :, :16]))
    assert backbone.embed(pictures).shape == (1, 2, 1 + 2 * 4, 48)


AUDIOSET = {"mean": -4.1426, "std": 3.2001}
SECOND = SoundPicture(128, 10.0, 102, **AUDIOSET)
LAVISH_SWIN = SoundPicture(192, 5.2, 192, -4.984795570373535, 3.7079780101776123)


@pytest.mark.parametrize(
    ("name", "parameters", "sound"),
    [
        ("vit_base", 85_798_656, SECOND),
        ("vit_large", 303_301_632, SECOND),
        ("clip_vit_base", 86_032_128 - 196_608 - 37_632 + 1_536, SECOND),
        ("clip_vit_large", 303_443_968 - 200_704 - 65_536 + 2_048, SECOND),
        ("swin_base", 86_745_656 - 2_432, SoundPicture(224, 4.4, 224, **AUDIOSET, channels="mean")),
        ("swin_large", 194_999_124 - 3_648, SoundPicture(224, 4.4, 224, **AUDIOSET, channels="mean")),
        ("swin_v2_base", 86_893_816, LAVISH_SWIN),
        ("swin_v2_large", 195_202_932, LAVISH_SWIN),
    ],
)
def test_presets_have_the_published_sizes(name: str, parameters: int, sound: SoundPicture) -> None:
    """Counts of LAVISH's and STG-CMA's official modules; STG-CMA's, less its copy of the stem for sound.

    That copy is one input channel of the stem (and, on CLIP, sound positions; on Swin, its bias and norm); the norm
    that it trains on CLIP is part of the backbone here.
    """
    with torch.device("meta"):
        backbone: Any = look_up(BACKBONES, name)()
    assert sum(p.numel() for p in backbone.parameters()) == parameters
    assert backbone.picture.sound == sound


def test_options_of_a_preset_reach_the_backbone() -> None:
    options = {"statistics": "imagenet", "sound": {"frames": 64}, "size": 160}
    with torch.device("meta"):
        backbone: Any = look_up(BACKBONES, "vit_base")(**options)
    assert backbone.picture == PictureSpec(
        160, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), replace(SECOND, frames=64)
    )
    with pytest.raises(UserError, match="unknown statistics 'image'"):
        look_up(BACKBONES, "vit_base")(weights="none", statistics="image")


PUBLISHED = {
    # name: mel bands, shift in ms, frames, mean, deviation, channels; window of 25 ms throughout
    "stg_cma_clip": (128, 10.0, 102, -4.1426, 3.2001, "sum"),
    "stg_cma_swin": (224, 4.4, 224, -4.1426, 3.2001, "mean"),
    "stg_cma_avqa": (224, 4.4, 224, -5.214385986328125, 3.8699076175689697, "mean"),
    "stg_cma_avs": (224, 4.4, 224, -5.669627666473389, 3.948380470275879, "mean"),
    "lavish_vit": (128, 10.0, 102, -4.1426, 3.2001, "sum"),
    "lavish_swin": (192, 5.2, 192, -4.984795570373535, 3.7079780101776123, "sum"),
    "lavish_avqa": (192, 10.0, 192, -5.385333061218262, 3.5928637981414795, "sum"),
    "lavish_avs": (192, 10.0, 192, -5.210531711578369, 3.5918314456939697, "sum"),
}


@pytest.mark.parametrize("name", SOUND_PRESETS)
def test_the_sound_of_each_paper(name: str) -> None:
    sound = SOUND.override({"preset": name})
    numbers = (sound.mel_bands, sound.frame_shift_ms, sound.frames, sound.mean, sound.std, sound.channels)
    assert numbers == PUBLISHED[name]
    assert sound.window_ms == 25.0
    assert sound.stem == ("own" if name.startswith("stg_cma") else "shared")


@pytest.mark.parametrize(
    ("backbone", "preset"),
    [("vit_base", "lavish_vit"), ("clip_vit_base", "lavish_vit"), ("swin_base", "stg_cma_swin"),
     ("swin_v2_base", "lavish_swin")],
)  # fmt: skip
def test_defaults_are_the_numbers_of_the_paper_that_uses_the_backbone(backbone: str, preset: str) -> None:
    with torch.device("meta"):
        sound = look_up(BACKBONES, backbone)(weights="none").picture.sound
    assert replace(sound, stem="shared") == replace(SOUND_PRESETS[preset], stem="shared")


def test_a_preset_can_be_changed_in_single_fields_and_must_exist() -> None:
    sound = SOUND.override({"preset": "lavish_avqa", "frames": 100})
    assert (sound.frames, sound.mean) == (100, -5.385333061218262)
    with pytest.raises(UserError, match="Did you mean lavish_avqa"):
        SOUND.override({"preset": "lavish_avqua"})
