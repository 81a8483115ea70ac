"""Random changes of training clips, drawn anew for each item of each epoch; off unless the recipe says so.

Frames are changed where clips are read; sound is changed as a log-mel picture, which exists behind the
front end only, so what was drawn for it travels there as inputs of its own.
"""

from __future__ import annotations

import math
import random

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from backbones.families.common import IMAGENET_MEAN, IMAGENET_STD
from backbones.pictures import SoundPicture
from benchmark.data.changed_clips import ChangedClips
from benchmark.model.log_mel import HIDDEN, NOISE, ROLL
from registry.errors import UserError
from registry.vocabulary import Inputs, Item
from tasks.recipe import Recipe

_FRAMES = ("frames", "negative_frames")
_LOG_ASPECT = math.log(4 / 3)


def augments(recipe: Recipe) -> bool:
    """Whether a recipe asks for any change of this module."""
    of_frames = (recipe.rand_augment, recipe.crop, recipe.flip, recipe.erase)
    return any((*of_frames, recipe.mask_bands, recipe.mask_frames, recipe.noise, recipe.roll))


def moves_pixels(recipe: Recipe) -> bool:
    """Whether a recipe asks for changes that show a thing at another place of the frame."""
    return any((recipe.rand_augment, recipe.crop, recipe.flip))


class AugmentedClips(ChangedClips):
    """Clips with the changes that a recipe asks for.

    What happens to an item follows from the seed of the epoch and the item's place alone, whichever worker reads it.

    Args:
        sound: the backbone's log-mel pictures.
    """

    def __init__(self, clips: Dataset[Item], recipe: Recipe, sound: SoundPicture) -> None:
        super().__init__(clips, recipe)
        self._sound = sound

    def __getitem__(self, index: int) -> Item:
        item = self._clips[index]
        if "masks" in item.get("targets", {}) and moves_pixels(self._recipe):
            raise UserError(
                "recipe crop, flip and rand_augment move pixels of frames and leave their masks; set them to 0 for "
                "clips with masks."
            )
        rng = np.random.default_rng([self._seed, index])
        inputs = dict(item["inputs"])
        for name in _FRAMES:
            if name in inputs:
                inputs[name] = change_frames(inputs[name], self._recipe, rng)
        if "waveform" in inputs:
            inputs |= draw_sound_changes(len(inputs["waveform"]), self._recipe, self._sound, rng)
        return {**item, "inputs": inputs}


def change_frames(frames: Tensor, recipe: Recipe, rng: np.random.Generator) -> Tensor:
    """The same draws for all frames of a clip: (T, 3, h, w) uint8 -> same.

    RandAugment first; then a crop that keeps an area of 1 - `crop` to 1 of the frame, at an aspect of 3/4 to 4/3
    relative to it, and is resized back; then the mirror; then a box erased with noise.
    """
    if recipe.rand_augment:
        frames = rand_augment(frames, recipe.rand_augment, recipe.rand_magnitude, rng)
    if recipe.crop:
        top, left, height, width = _box(frames.shape[-2], frames.shape[-1], rng, area=(1 - recipe.crop, 1.0))
        part = frames[..., top : top + height, left : left + width]
        frames = F.interpolate(part, size=frames.shape[-2:], mode="bilinear", antialias=True)
    frames = frames.flip(-1) if rng.random() < recipe.flip else frames
    return erased(frames, rng) if recipe.erase and rng.random() < recipe.erase else frames


def rand_augment(frames: Tensor, operations: int, magnitude: float, rng: np.random.Generator) -> Tensor:
    """timm's RandAugment (arXiv 1909.13719), one choice for all frames: (T, 3, h, w) uint8 -> same.

    Severities increase with the magnitude, which varies with deviation 0.5; resampling is bicubic.
    """
    # timm takes a second to import, which whoever does not ask for this is spared.
    from timm.data.auto_augment import rand_augment_transform  # noqa: PLC0415

    transform = rand_augment_transform(
        f"rand-m{magnitude:g}-n{operations}-mstd0.5-inc1", {"interpolation": Image.Resampling.BICUBIC}
    )
    # It draws from the global generators: the same start for each frame gives all of them the same operations.
    seed, before = int(rng.integers(2**32)), (random.getstate(), np.random.get_state())
    changed = []
    try:
        for frame in frames.permute(0, 2, 3, 1).numpy():
            random.seed(seed)
            np.random.seed(seed)
            changed.append(np.asarray(transform(Image.fromarray(frame))))
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
    return torch.from_numpy(np.stack(changed)).permute(0, 3, 1, 2).contiguous()


def erased(frames: Tensor, rng: np.random.Generator) -> Tensor:
    """Random erasing (arXiv 1708.04896) of 2 % to 1/3 of the area, one box, noise of its own in every pixel.

    The noise is normal with ImageNet's mean and deviation, cut to what a pixel can hold: (T, 3, h, w) uint8 -> same.
    """
    top, left, height, width = _box(
        frames.shape[-2], frames.shape[-1], rng, area=(0.02, 1 / 3), log_aspect=math.log(1 / 0.3)
    )
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    noise = torch.from_numpy(rng.standard_normal((len(frames), 3, height, width), np.float32))
    frames = frames.clone()
    frames[..., top : top + height, left : left + width] = (255 * (mean + deviation * noise)).clamp(0, 255).byte()
    return frames


def draw_sound_changes(segments: int, recipe: Recipe, sound: SoundPicture, rng: np.random.Generator) -> Inputs:
    """What to do to the log-mel pictures of a clip, for each segment anew; only what the recipe asks for.

    `sound_hidden` (T, 4) int64: first band, bands, first frame and frames of SpecAugment's masks (arXiv 1904.08779);
    `sound_roll` (T,) int64: frames to shift by; `sound_noise` (T, frames, F) float32, uniform from 0 to an amplitude
    that is itself uniform from 0 to `noise` (as in the training code of AST and CAV-MAE).
    """
    changes: Inputs = {}
    if recipe.mask_bands or recipe.mask_frames:
        most = ((recipe.mask_bands, sound.mel_bands), (recipe.mask_frames, sound.frames))
        hidden = [[part for widest, size in most for part in _span(widest, size, rng)] for _ in range(segments)]
        changes[HIDDEN] = torch.tensor(hidden)
    if recipe.roll:
        changes[ROLL] = torch.from_numpy(rng.integers(-recipe.roll, recipe.roll, segments, endpoint=True))
    if recipe.noise:
        amplitude = recipe.noise * rng.random((segments, 1, 1), np.float32)
        noise = rng.random((segments, sound.frames, sound.mel_bands), np.float32)
        changes[NOISE] = torch.from_numpy(amplitude * noise)
    return changes


def _span(widest: int, size: int, rng: np.random.Generator) -> tuple[int, int]:
    """First place and width of a mask: any width up to the widest, anywhere."""
    width = int(rng.integers(0, min(widest, size), endpoint=True))
    return int(rng.integers(0, size - width, endpoint=True)), width


def _box(
    height: int, width: int, rng: np.random.Generator, area: tuple[float, float], log_aspect: float = _LOG_ASPECT
) -> tuple[int, int, int, int]:
    """Top, left, height and width of a box with a share of the area; one that would not fit is cut to the frame."""
    share, aspect = rng.uniform(*area), math.exp(rng.uniform(-log_aspect, log_aspect))
    tall = min(height, max(1, round(height * math.sqrt(share / aspect))))
    wide = min(width, max(1, round(width * math.sqrt(share * aspect))))
    return (
        int(rng.integers(0, height - tall, endpoint=True)),
        int(rng.integers(0, width - wide, endpoint=True)),
        tall,
        wide,
    )
