"""One backbone for sight and another for sound, under one scheme: `towers(visual='clip_vit_base', audio='ast')`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import cast

import torch
from torch import nn

from backbones.backbone import Backbone, Stage, cast_projections
from backbones.block import Block, Step
from backbones.pictures import PictureSpec
from registry.component import Component
from registry.errors import UserError
from registry.registries import BACKBONES, look_up, register_backbone
from registry.vocabulary import MODALITIES, Modality


class Towers(nn.Module):
    """Two frozen backbones side by side, whose blocks are paired into steps; it offers what one backbone offers.

    Where both have equally many stages (a stage begins where the width changes) they are paired stage by stage, else
    the whole depth is one stage. In a stage of n and k ≤ n blocks, block j of the shorter goes with block
    ⌊(j + 1) n / k⌋ − 1 of the longer, the last of its share, as DG-SCT's 3j + 2 for 18 and 6 and CoLA's 2j + 1 for 24
    and 12. The others are steps of one modality.

    Raises:
        UserError: a tower for sight that only hears.
    """

    def __init__(self, visual: Backbone, audio: Backbone) -> None:
        super().__init__()
        if visual.hears_only:
            raise UserError(
                "the visual backbone of these towers hears and does not see; give one that was trained on images."
            )
        # Before the towers, so that final norms are known by this name.
        self.final_norm = nn.ModuleDict({"visual": visual.final_norm, "audio": audio.final_norm})
        self.towers = nn.ModuleDict({"visual": visual, "audio": audio})
        self._pairs = [dict(zip(MODALITIES, pair, strict=True)) for pair in paired([_dims(visual), _dims(audio)])]

    @property
    def steps(self) -> list[Step]:
        """What streams pass one after the other."""
        blocks = {m: self._tower(m).blocks for m in MODALITIES}
        return [Step({m: cast(Block, blocks[m][i]) for m, i in pair.items() if i is not None}) for pair in self._pairs]

    def tokens(self, modality: Modality) -> list[int]:
        """L of each step for the pictures of a modality, 0 where it does not move."""
        counts = self._tower(modality).tokens(modality)
        return [0 if (i := pair[modality]) is None else counts[i] for pair in self._pairs]

    @property
    def dim(self) -> int | dict[Modality, int]:
        """D of features, by modality where they differ."""
        dims = {m: self._tower(m).dim for m in MODALITIES}
        return dims["visual"] if dims["visual"] == dims["audio"] else dims

    @property
    def picture(self) -> PictureSpec:
        """Frames as the one takes them, sound as the other does."""
        return dataclasses.replace(self._tower("visual").picture, sound=self._tower("audio").picture.sound)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Those of sight."""
        return self._tower("visual").stages

    @property
    def random_weights(self) -> bool:
        """Whether no file initialised one of them."""
        return any(self._tower(m).random_weights for m in MODALITIES)

    @property
    def weight_files(self) -> dict[str, str]:
        """sha256 of every file that initialised weights, by modality and file name."""
        return {f"{m}: {name}": digest for m in MODALITIES for name, digest in self._tower(m).weight_files.items()}

    @property
    def weight_notes(self) -> tuple[str, ...]:
        return tuple(f"{m}: {note}" for m in MODALITIES for note in self._tower(m).weight_notes)

    def train(self, mode: bool = True) -> Towers:
        """Stay in evaluation mode, whatever is asked of the model around."""
        return super().train(False)

    def cast_projections(self, dtype: torch.dtype) -> Towers:
        """See `Backbone.cast_projections`."""
        cast_projections(self, dtype)
        return self

    def _tower(self, modality: Modality) -> Backbone:
        return cast(Backbone, self.towers[modality])


@register_backbone("towers", version=1)
def towers(visual: str = "", audio: str = "") -> Towers:
    """One backbone for sight and another for sound, each given by its text, as `audio='ast'`.

    Args:
        visual: a backbone that sees, with its options: `'clip_vit_base'` or `"swin(model='…')"`.
        audio: a backbone for sound: one that was trained on sound, or on images.

    Raises:
        UserError: one is missing, is towers itself, or refuses its options.
    """
    return Towers(_build("visual", visual), _build("audio", audio))


def _build(modality: str, text: str) -> Backbone:
    if not text:
        raise UserError(f"towers needs a backbone for {modality}, as in towers(visual='clip_vit_base', audio='ast').")
    component = Component.parse(text)
    if component.name == "towers":
        raise UserError(f"towers({modality}={text!r}) names towers in a tower; name one backbone.")
    return cast(Backbone, look_up(BACKBONES, component.name)(**component.options))


def paired(dims: Sequence[Sequence[int]]) -> Iterator[tuple[int | None, int | None]]:
    """Which blocks of two towers make a step, by number, None where one alone moves: widths of blocks -> steps."""
    first, second = ([len(list(blocks)) for _, blocks in groupby(widths)] for widths in dims)
    if len(first) != len(second):
        first, second = [len(dims[0])], [len(dims[1])]
    starts = (0, 0)
    for n, k in zip(first, second, strict=True):
        for one, other in _within_stage(n, k):
            yield None if one is None else starts[0] + one, None if other is None else starts[1] + other
        starts = (starts[0] + n, starts[1] + k)


def _within_stage(n: int, k: int) -> Iterator[tuple[int | None, int | None]]:
    if k > n:
        yield from ((one, other) for other, one in _within_stage(k, n))
        return
    shares = {(j + 1) * n // k - 1: j for j in range(k)}
    yield from ((i, shares.get(i)) for i in range(n))


def _dims(backbone: Backbone) -> list[int]:
    return [cast(Block, block).dim for block in backbone.blocks]
