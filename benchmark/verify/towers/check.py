"""The golden files of DG-SCT and AVMoE between two backbones: a Swin v2 that sees beside an HTS-AT that hears."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

import torch
from timm.models.swin_transformer_v2 import SwinTransformerV2
from torch import Tensor, nn

from adapters.avmoe import AvMoe
from adapters.beside import BesideBlock
from adapters.dg_sct import DgSct, GuidedAdapter
from adapters.parts import places, steps_of
from backbones.backbone import Backbone
from backbones.families.audio.htsat import FoldedStem, HtsatTower, read_htsat
from backbones.families.swin_v2 import read_swin_v2
from backbones.pictures import PictureSpec, SoundPicture
from backbones.towers import Towers
from benchmark.model.encoder import Encoder
from benchmark.model.model import Precision
from benchmark.verify import avmoe, dg_sct
from benchmark.verify.comparison import GoldenReport
from benchmark.verify.dg_sct import MODALITY_LETTERS, SITES, options_of, weighed_sum
from benchmark.verify.golden import Golden
from benchmark.verify.lavish_models import LETTERS
from benchmark.verify.loading import Names, Problems, fill, translate
from benchmark.verify.precision import Seen, autocast, check_modes, hold_weights
from benchmark.verify.watching import watch_input, watch_method

LOSS = 1e-4
"""In float32, from the README beside the files, relative; everything else is held to the usual bounds, which are
tighter than those given there."""

FRONT: Names = {r"^bn0\.": "band_norm.", r"^patch_embed\.": "swin.patch_embed."}
PATCH = 4
DEEP, DEEP_GRADIENTS = 12, 10.0
"""From so many blocks on, how much further than usual gradients in bfloat16 may be off. Through eighteen blocks the
official code's own in float32 are two hundred roundings away from float64's."""


def check(golden: Golden, precision: Precision) -> GoldenReport:
    """Run both backbones under their scheme and compare everything that is recorded of them.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: what the file says of its sizes describes no model.
    """
    what = f"{golden.meta['repo']} model of two backbones"
    slack = DEEP_GRADIENTS if sum(golden.meta["visual"]["depths"]) >= DEEP else 1.0
    return check_modes(golden, precision, what, _run, modes=("eval",), loss=LOSS, gradient_slack=slack)


def _run(golden: Golden, mode: str, precision: Precision) -> tuple[Seen, Problems]:
    towers, problems = _build_towers(golden)
    scheme, inner = _build_scheme(golden, towers)
    pairs = _pairs(towers, scheme)
    recorded = golden.group("param/adapter.")
    values = {
        name: value.float()
        for key, stacked in recorded.items()
        for name, value in zip(_ours(key, pairs, inner), stacked, strict=True)
    }
    problems |= fill(scheme, values)
    scheme.eval()
    hold_weights([towers], precision)
    seen: Seen = {}
    taken: dict[str, list[Tensor]] = {}
    _watch(scheme, pairs, taken)
    entered = _start(golden, towers, seen)
    if isinstance(scheme, DgSct):
        _watch_attention(scheme, pairs, seen)
    sound = golden.tensors["input/logmel"].float()[None]
    with autocast(precision):
        features = Encoder(cast(Backbone, towers), scheme)({"visual": sound, "audio": sound})
    for m, f in features.items():
        seen |= {f"tokens.{MODALITY_LETTERS[m]}": f.tokens, f"pooled.{MODALITY_LETTERS[m]}": f.pooled}
    found = {key: x.float().flatten(0, 1) if x.ndim > 3 or key.startswith("pooled") else x for key, x in seen.items()}
    loss = weighed_sum(golden, {key: found[key] for key in golden.group("loss/w_")})
    loss.backward()
    found |= {key: torch.stack(parts).float().squeeze(1) for key, parts in taken.items()}
    found |= {f"grad/embed.{letter}": cast(Tensor, x.grad).flatten(0, 1) for letter, x in entered.items()}
    gradients = {name: parameter.grad for name, parameter in scheme.named_parameters()}
    for key in recorded:
        parts = [gradients.get(name) for name in _ours(key, pairs, inner)]
        if all(part is not None for part in parts):
            found[f"grad/adapter.{key}"] = torch.stack(cast("list[Tensor]", parts)).float()
    return found | {"loss": loss.view(1)}, problems


def _build_towers(golden: Golden) -> tuple[Towers, Problems]:
    """Both backbones with the recorded parameters; as released, sound leaves without a final norm."""
    sight, sound = golden.meta["visual"], golden.meta["audio"]
    swin = SwinTransformerV2(
        img_size=sight["img"], patch_size=PATCH, embed_dim=sight["dim"], depths=sight["depths"],
        num_heads=sight["heads"], window_size=sight["window"], num_classes=0,
    )  # fmt: skip
    heard = HtsatTower(
        sound["dim"], tuple(sound["depths"]), tuple(sound["heads"]), sound["spec"], sound["window"], sound["mel"]
    )
    heard.swin.norm = nn.Identity()
    recorded = golden.group("param/visual_backbone.")
    problems = fill(
        swin, _of_blocks({k: v for k, v in recorded.items() if "k_bias" not in k}), absent=("patch_embed.",)
    )
    front = {translate(k, FRONT): v.float() for k, v in golden.group("param/audio_front.").items()}
    blocks = _of_blocks(golden.group("param/audio_backbone."))
    problems |= fill(heard, front | {f"swin.{name}": value for name, value in blocks.items()})
    frames = golden.tensors["input/logmel"].shape[-2]
    square = SoundPicture(sight["img"], 10.0, sight["img"], 0.0, 1.0)
    picture = PictureSpec(sight["img"], (0.0,) * 3, (1.0,) * 3, square)
    folded = PictureSpec(
        sight["img"], (0.0,) * 3, (1.0,) * 3, SoundPicture(sound["mel"], 10.0, frames, 0.0, 0.5, stem="own")
    )
    return Towers(read_swin_v2(swin, picture), read_htsat(heard, folded)), problems


def _of_blocks(recorded: dict[str, Tensor]) -> dict[str, Tensor]:
    """`stage{s}.name` [blocks, …] and `stage{s}.merge.name` in timm's names."""
    found = {}
    for key, value in recorded.items():
        stage = re.match(r"stage(\d+)\.(merge\.)?", key)
        name = key if stage is None else key[stage.end() :]
        if stage is None:
            found[name] = value.float()
        elif stage[2]:
            found[f"layers.{int(stage[1]) + 1}.downsample.{name}"] = value.float()
        else:
            found |= {f"layers.{stage[1]}.blocks.{block}.{name}": part.float() for block, part in enumerate(value)}
    return found


def _build_scheme(golden: Golden, towers: Towers) -> tuple[DgSct | AvMoe, Callable[[str], str]]:
    """The scheme of a file, and how its adapters' recorded names become ours."""
    options: dict[str, Any] = {**options_of(golden.meta["adapter"]), "wiring": "paired", "projection": "full"}
    backbone = cast(Backbone, towers)
    if golden.meta["repo"] == "avmoe":
        return AvMoe(backbone, skip=golden.meta["skip"], **options), avmoe.our_name
    return DgSct(backbone, pooling="attention", **options), lambda name: translate(name, dg_sct.NAMES)


def _pairs(towers: Towers, scheme: DgSct | AvMoe) -> dict[int, list[int]]:
    """By stage the steps that have adapters."""
    where = places(steps_of(cast(Backbone, towers)))
    found: dict[int, list[int]] = {}
    for index, beside in enumerate(cast("list[BesideBlock]", list(scheme.blocks))):
        if len(beside.first):
            found.setdefault(where[index]["visual"][0], []).append(index)
    return found


def _ours(recorded: str, pairs: dict[int, list[int]], inner: Callable[[str], str]) -> list[str]:
    """Our names of the parts of `{letter}.{site}.stage{s}.{name}` [pairs, …]."""
    letter, site, stage, name = recorded.split(".", 3)
    steps = pairs[int(stage.removeprefix("stage"))]
    return [f"blocks.{step}.{SITES[site]}.{LETTERS[letter]}.{inner(name)}" for step in steps]


def _start(golden: Golden, towers: Towers, seen: Seen) -> dict[str, Tensor]:
    """Let sight begin with the recorded tokens, and keep what both begin with."""
    entered: dict[str, Tensor] = {}

    def begin(letter: str, tokens: Tensor) -> Tensor:
        seen[f"embed.{letter}"] = entered[letter] = tokens.detach().requires_grad_()
        return entered[letter]

    visual, audio = (cast(Backbone, towers.towers[m]) for m in ("visual", "audio"))
    stem = cast(FoldedStem, audio.stem)
    watch_method(stem, "fold", lambda image, _: seen.update(audio_image=image[:, None]))
    embed = audio.embed
    tokens = golden.tensors["eval/embed.v"].float()[None]
    object.__setattr__(visual, "embed", lambda _: begin("v", tokens))
    object.__setattr__(audio, "embed", lambda pictures: begin("a", embed(pictures)))
    return entered


def _watch(scheme: DgSct | AvMoe, pairs: dict[int, list[int]], taken: dict[str, list[Tensor]]) -> None:
    """What the adapters of each pair are given, by stage."""
    for stage, steps in pairs.items():
        for step in steps:
            beside = cast(BesideBlock, scheme.blocks[step])
            for adapters, when in ((beside.first, "in"), (beside.second, "mid")):
                for m, letter in MODALITY_LETTERS.items():
                    parts = taken.setdefault(f"stage{stage}.{letter}_{when}", [])
                    watch_input(adapters[m], parts.append)


def _watch_attention(scheme: DgSct, pairs: dict[int, list[int]], seen: Seen) -> None:
    last = cast(BesideBlock, scheme.blocks[pairs[max(pairs)][-1]])
    for m, adapter in last.second.items():
        dg_sct.watch_attention(cast(GuidedAdapter, adapter), f"attention.{MODALITY_LETTERS[m]}", seen)  # type: ignore[index]
