"""Labelled procedural pictures for pre-training the tiny backbones; nothing here comes from sound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tasks.synthetic.paint import Things, paint_with_owners
from tasks.synthetic.scene import CLASSES, COLOURS, TEXTURES

MOST_THINGS = 4
GREY_SHARE = 0.3
NONE = -100
"""The label that cross-entropy ignores."""


@dataclass(frozen=True)
class PretrainingPictures:
    """Pictures and what they show."""

    pictures: Tensor
    """(N, 3, S, S) float32, normalised to mean 0 and deviation 1 of mid-grey pictures."""
    shape: Tensor
    """(N, P, P) int64: class of the thing that covers most of a patch, `len(CLASSES)` where there is none."""
    colour: Tensor
    """(N, P, P) int64, as `shape`; ignored in grey pictures."""
    texture: Tensor
    """(N, P, P) int64, as `shape`."""
    place: Tensor
    """(N, P, P) int64: left, middle or right, where the thing of a patch has its centre."""
    present: Tensor
    """(N, 3, C + colours) float32: 1 where a thing of the class or colour stands in the left, middle or right third;
    no colour is present in grey pictures."""


def draw_collages(rng: np.random.Generator, count: int, size: int, patches: int) -> PretrainingPictures:
    """Random things at random places: one to four in each picture, a third of the pictures grey."""
    things = _random_things(rng, count)
    light = rng.uniform(0.7, 1.1, count)
    painted, pixels = paint_with_owners(things, rng.integers(2**31, size=count), size, light)
    picture = painted.astype(np.float32)
    grey = rng.random(count) < GREY_SHARE
    picture[grey] = picture[grey].mean(-1, keepdims=True)
    # Pictures of many contrasts and of both polarities leave features that do not rely on either.
    contrast = rng.uniform(0.5, 1.5, (count, 1, 1, 1)) * rng.choice([1, 1, 1, -1], (count, 1, 1, 1))
    picture = (picture / 255 - 0.4) / 0.25 * contrast
    owner = _owner_of_patches(pixels, patches)
    colour = _labels(things.colour, owner, len(COLOURS))
    colour[grey] = NONE
    return PretrainingPictures(
        pictures=torch.from_numpy(np.ascontiguousarray(picture.transpose(0, 3, 1, 2), dtype=np.float32)),
        shape=torch.from_numpy(_labels(things.category, owner, len(CLASSES))),
        colour=torch.from_numpy(colour),
        texture=torch.from_numpy(_labels(things.texture, owner, len(TEXTURES))),
        place=torch.from_numpy(_labels(third_of(things.x), owner, 0)),
        present=torch.from_numpy(_presence(things, grey)),
    )


def _random_things(rng: np.random.Generator, count: int) -> Things:
    shape = (count, MOST_THINGS)
    # Things of one picture stand in different cells of a 3 x 3 grid, so that none hides another.
    cell = np.argsort(rng.random((count, 9)), axis=1)[:, :MOST_THINGS]
    there = np.arange(MOST_THINGS) < rng.integers(1, MOST_THINGS + 1, (count, 1))
    return Things(
        category=rng.integers(len(CLASSES), size=shape),
        colour=rng.integers(len(COLOURS), size=shape),
        texture=rng.integers(len(TEXTURES), size=shape),
        x=(cell % 3 + 0.5) / 3 + rng.uniform(-0.09, 0.09, shape),
        y=(cell // 3 + 0.5) / 3 + rng.uniform(-0.09, 0.09, shape),
        radius=rng.uniform(0.12, 0.21, shape) * there,
        angle=rng.uniform(-0.5, 0.5, shape),
    )


def _owner_of_patches(owner: np.ndarray, patches: int) -> np.ndarray:
    """The thing with most pixels of each patch, -1 where none covers a fifth of it: (N, S, S) -> (N, P, P)."""
    count, size, _ = owner.shape
    side = size // patches
    cells = (
        owner.reshape(count, patches, side, patches, side).transpose(0, 1, 3, 2, 4).reshape(count, patches, patches, -1)
    )
    shares = np.stack([(cells == k).mean(-1) for k in range(MOST_THINGS)], axis=-1)
    return np.where(shares.max(-1) > 0.2, shares.argmax(-1), -1)


def _labels(values: np.ndarray, owner: np.ndarray, none: int) -> np.ndarray:
    picked = np.take_along_axis(values, np.maximum(owner, 0).reshape(len(owner), -1), axis=1).reshape(owner.shape)
    return np.where(owner >= 0, picked, none).astype(np.int64)


def third_of(x: np.ndarray) -> np.ndarray:
    """0, 1 or 2: the left, middle or right third in which a place lies."""
    return np.clip((x * 3).astype(np.int64), 0, 2)


def _presence(things: Things, grey: np.ndarray) -> np.ndarray:
    present = np.zeros((len(things.x), 3, len(CLASSES) + len(COLOURS)), dtype=np.float32)
    third = third_of(things.x)
    rows = np.broadcast_to(np.arange(len(third))[:, None], third.shape)
    there = things.radius > 0
    present[rows[there], third[there], things.category[there]] = 1
    coloured = there & ~grey[:, None]
    present[rows[coloured], third[coloured], len(CLASSES) + things.colour[coloured]] = 1
    return present
