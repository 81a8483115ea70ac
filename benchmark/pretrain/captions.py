"""Captions of procedural pictures, and the text tower that reads them, for contrastive pre-training."""

from __future__ import annotations

from itertools import product

import torch
from open_clip.transformer import TextTransformer
from torch import Tensor, nn

from benchmark.pretrain.pictures import NONE, PretrainingPictures
from tasks.synthetic.scene import CLASSES, COLOURS, PLACES, TEXTURES

# The end word has the highest number, where open_clip's text tower reads the sentence off.
_WORDS = ("<pad>", "nothing", *COLOURS, *TEXTURES, *CLASSES, *PLACES, "<end>")
_NUMBER = {word: number for number, word in enumerate(_WORDS)}
_LONGEST = 5

CAPTIONS = [
    f"{colour} {texture} {shape} {place}"
    for shape, colour, texture, place in product(CLASSES, COLOURS, TEXTURES, PLACES)
]
"""Every thing there can be and where; shapes vary slowest."""
NOTHING = len(CAPTIONS)
CAPTIONS.append("nothing")


def text_tower(width: int) -> nn.Module:
    """A two-layer open_clip text tower: word numbers (N, W) -> (N, width)."""
    return TextTransformer(
        context_length=_LONGEST, vocab_size=len(_WORDS), width=width, heads=4, layers=2, output_dim=width
    )


def encode_captions() -> Tensor:
    """Word numbers of every caption: -> (N, W) int64."""
    rows = [[_NUMBER[word] for word in f"{caption} <end>".split()] for caption in CAPTIONS]
    return torch.tensor([row + [0] * (_LONGEST - len(row)) for row in rows])


def caption_index(batch: PretrainingPictures) -> Tensor:
    """The caption of what each patch shows; patches of unknown colour are ignored: -> (N, P, P)."""
    index = batch.shape
    for label, values in ((batch.colour, COLOURS), (batch.texture, TEXTURES), (batch.place, PLACES)):
        index = index * len(values) + label
    index = torch.where(batch.shape == len(CLASSES), NOTHING, index)
    return torch.where(batch.colour == NONE, NONE, index)


def shape_of_caption(index: Tensor) -> Tensor:
    """The class that a caption names, `len(CLASSES)` for `nothing`."""
    return torch.where(index == NOTHING, len(CLASSES), index // (len(COLOURS) * len(TEXTURES) * len(PLACES)))
