"""Captions of procedural pictures, and the text tower that reads them, for contrastive pre-training."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor, nn

from benchmark.collages import MOST_THINGS, NONE, Collages
from tasks.synthetic.paint import Things
from tasks.synthetic.scene import CLASSES, COLOURS, TEXTURES

# The end word has the highest number, where open_clip's text tower reads the sentence off.
_WORDS = ("<pad>", "nothing", "and", *COLOURS, *TEXTURES, *CLASSES, "<end>")
_NUMBER = {word: number for number, word in enumerate(_WORDS)}
_LONGEST = 4 * MOST_THINGS

CAPTIONS = [f"{colour} {texture} {shape}" for shape, colour, texture in product(CLASSES, COLOURS, TEXTURES)] + ["nothing"]
"""Every thing there can be, shapes outermost, and the empty patch."""


def text_tower(width: int) -> nn.Module:
    """A two-layer open_clip text tower: word numbers (N, W) -> (N, width)."""
    from open_clip.transformer import TextTransformer

    return TextTransformer(
        context_length=_LONGEST, vocab_size=len(_WORDS), width=width, heads=4, layers=2, output_dim=width
    )


def encode_captions(captions: list[str]) -> Tensor:
    """Word numbers, padded to the longest caption there can be: -> (N, W) int64."""
    rows = [[_NUMBER[word] for word in f"{caption} <end>".split()] for caption in captions]
    return torch.tensor([row + [0] * (_LONGEST - len(row)) for row in rows])


def caption_index(batch: Collages) -> Tensor:
    """The number in `CAPTIONS` of what each patch shows; patches of unknown colour are ignored: -> (N, P, P)."""
    index = (batch.shape * len(COLOURS) + batch.colour) * len(TEXTURES) + batch.texture
    index = torch.where(batch.shape == len(CLASSES), len(CAPTIONS) - 1, index)
    return torch.where(batch.colour == NONE, NONE, index)


def picture_captions(things: Things) -> list[str]:
    """One caption for each picture, naming its things in their order."""
    return [
        " and ".join(
            f"{COLOURS[things.colour[n, k]]} {TEXTURES[things.texture[n, k]]} {CLASSES[things.category[n, k]]}"
            for k in range(MOST_THINGS)
            if things.radius[n, k] > 0
        )
        for n in range(len(things.category))
    ]
