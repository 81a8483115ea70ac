"""What backbones say of fixed pictures, and the pictures that they ask for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from library_models import FAMILIES, PICTURE, SIDE, run
from summary import Numbers, filled, loss_of, noise, summary, under

from adapters.contract import encode
from adapters.unimodal.linear_probe import LinearProbe
from backbones.backbone import Backbone
from backbones.families.audio.ast import PRETRAINED_SOUND, AstTower, grid_of, read_ast
from backbones.families.audio.ast import SOUND as AST_SOUND
from backbones.families.audio.htsat import SOUND as HTSAT_SOUND
from backbones.families.audio.htsat import HtsatTower, read_htsat
from backbones.families.presets import PRESETS
from backbones.pictures import SOUND_PRESETS, PictureSpec, SoundPicture
from backbones.stem import POLICIES
from backbones.towers import paired
from registry import BACKBONES, look_up
from registry.vocabulary import MODALITIES

SMALLEST = {
    "vit": "vit_tiny_patch16_224",
    "clip": "ViT-B-32-quickgelu",
    "swin": "swin_tiny_patch4_window7_224",
    "swin_v2": "swinv2_tiny_window8_256",
    "eva": "eva02_tiny_patch14_224",
    "beit": "beit_base_patch16_224",
}
"""Models whose pictures stand for those of their families; nothing is computed with them."""
MODELS = {
    "vit": ["vit", "vit_without_qkv_bias", "vit_mean_pooled", "vit_attention_pooled", "deit_3"],
    "clip": ["clip_quick_gelu", "clip_gelu", "clip_norm_after_pool"],
    "swin": ["swin", "swin_one_window_at_the_end"],
    "swin_v2": ["swin_v2", "swin_v2_of_another_window"],
    "eva": ["eva", "eva_02_small", "eva_02_base", "eva_post_norm", "dino_v3"],
    "beit": ["beit", "beit_with_table"],
}
"""The small models of `library_models` that each family's reader reads."""
SEGMENTS = 3
PICTURE_OF_AST = dataclasses.replace(PICTURE, sound=AST_SOUND)
PICTURE_OF_HTSAT = dataclasses.replace(PICTURE, sound=HTSAT_SOUND)


def of_backbone(name: str) -> Numbers:
    """Of a family, those of small models; of a preset, its model; of any other, those of its default weights."""
    if name in PRESETS:
        # What the reader of its family computes is recorded there.
        return {"model": PRESETS[name].model}
    if name in MODELS:
        return _of_family(name)
    if name in OF_SOUND:
        return OF_SOUND[name]()
    if name == "towers":
        return _of_towers()
    backbone = look_up(BACKBONES, name)()
    return _asked_for(backbone.picture) | _features(backbone, backbone.picture.sound.frames)


def _of_family(family: str) -> Numbers:
    numbers = under("its pictures", _asked_for(_shape_of(family).picture))
    numbers |= {f"sound={name!r}": _sound(sound) for name, sound in SOUND_PRESETS.items()}
    for name in MODELS[family]:
        numbers |= under(name, _features(_read(name), SIDE))
    if family in ("vit", "clip"):
        for policy in POLICIES:
            numbers |= under(f"positions={policy!r}", _features(_read(MODELS[family][0], positions=policy), SIDE + 16))
    for channels in ("sum", "mean"):
        sound = dataclasses.replace(PICTURE.sound, stem="own", channels=channels)
        own = _read(MODELS[family][0], picture=dataclasses.replace(PICTURE, sound=sound))
        heard = own.embed(noise(1, SEGMENTS, 1, SIDE, SIDE, seed="audio"))
        numbers[f"own stem, {channels} of colours"] = summary(heard)
    return numbers


def _of_ast() -> Numbers:
    """Of a small tower, which hears alone."""
    return _heard(read_ast(filled(AstTower(64, 2, 4, grid_of(*PRETRAINED_SOUND), 2.0, 1e-6)), PICTURE_OF_AST))


def _of_htsat() -> Numbers:
    return _heard(read_htsat(filled(HtsatTower(16, (2, 1), (2, 4), 128, 4, 64)), PICTURE_OF_HTSAT))


def _of_tiny_ast() -> Numbers:
    return _heard(look_up(BACKBONES, "tiny_ast")())


OF_SOUND = {"ast": _of_ast, "htsat": _of_htsat, "tiny_ast": _of_tiny_ast}


def _heard(backbone: Backbone) -> Numbers:
    sound = backbone.picture.sound
    with torch.no_grad():
        features = run(backbone, noise(1, SEGMENTS, 1, sound.frames, sound.mel_bands, seed="audio"))
    return {"sound": _sound(sound), "audio tokens": summary(features.tokens), "audio pooled": summary(features.pooled)}


def _of_towers() -> Numbers:
    """Which blocks go together, and what two small towers say side by side."""
    pairs = {
        f"{widths}": f"{list(paired(widths))}" for widths in (([8] * 6, [6] * 2), ([1, 2, 2], [3, 4]), ([5], [1, 2]))
    }
    backbone = look_up(BACKBONES, "towers")(visual="tiny_swin", audio="tiny_vit")
    pictures = {m: noise(2, SEGMENTS, 3, 32, 32, seed=m) for m in MODALITIES}
    with torch.no_grad():
        features = encode(LinearProbe(backbone), backbone, pictures)
    return pairs | {f"{m} pooled": summary(f.pooled) for m, f in features.items()}


def _read(name: str, picture: PictureSpec = PICTURE, **options: Any) -> Backbone:
    return FAMILIES[name].read(filled(FAMILIES[name].build()), picture, **options)


def _features(backbone: Backbone, rows: int) -> Numbers:
    """Of both modalities, sound in pictures of so many rows; and what the first block does besides."""
    size = backbone.picture.size
    seen = noise(2, SEGMENTS, 3, size, size, seed="visual")
    heard = noise(2, SEGMENTS, 3, rows, backbone.picture.sound.mel_bands, seed="audio")
    numbers: Numbers = {}
    with torch.no_grad():
        for m, pictures in (("visual", seen), ("audio", heard)):
            features = run(backbone, pictures)
            numbers |= {f"{m} tokens": summary(features.tokens), f"{m} pooled": summary(features.pooled)}
    tokens = backbone.embed(seen).requires_grad_(True)
    block = backbone.blocks[0]
    x = block.enter(tokens)
    bias, context = noise(block.heads, SEGMENTS, SEGMENTS, seed="bias"), noise(2, block.dim, seed="context")
    branches: dict[str, Callable[[], torch.Tensor]] = {
        "attend": lambda: block.attend(x),
        "attend with context": lambda: block.attend(x, context=context),
        "attend over time": lambda: block.attend_over_time(x),
        "attend over time with bias": lambda: block.attend_over_time(x, bias=bias),
        "feed forward": lambda: block.feed_forward(x),
        "input of the MLP": lambda: block.mlp_input(x),
    }
    for name, branch in branches.items():
        out = branch()
        (gradient,) = torch.autograd.grad(loss_of([out]), tokens, retain_graph=True)
        numbers |= {name: summary(out), f"gradient of {name}": summary(gradient)}
    return numbers


def _shape_of(family: str) -> Backbone:
    with torch.device("meta"):
        return look_up(BACKBONES, family)(model=SMALLEST[family], weights="none")


def _asked_for(picture: PictureSpec) -> Numbers:
    return {"frames": [float(picture.size), *picture.mean, *picture.std], "sound": _sound(picture.sound)}


def _sound(sound: SoundPicture) -> str:
    return ", ".join(f"{name}={value}" for name, value in sound.as_dict().items())
