"""Changes of log-mel pictures that augmentation draws for the clips of a batch, applied where pictures are made."""

from __future__ import annotations

import torch
from torch import Tensor

from registry.vocabulary import Inputs

HIDDEN, ROLL, NOISE = SOUND_CHANGES = ("sound_hidden", "sound_roll", "sound_noise")
"""Inputs that say how log-mel pictures change, see `change_sound`."""


def change_sound(pictures: Tensor, inputs: Inputs) -> Tensor:
    """Normalised log-mel pictures (B, T, frames, F) with the changes among the inputs: masks, noise, then the roll.

    Masked values become 0, the mean of the data; frames that are rolled over one end come in at the other.
    """
    if HIDDEN in inputs:
        band, bands, frame, frames = inputs[HIDDEN][..., None].unbind(-2)
        pictures = pictures.masked_fill(_within(band, bands, pictures.shape[-1])[..., None, :], 0.0)
        pictures = pictures.masked_fill(_within(frame, frames, pictures.shape[-2])[..., None], 0.0)
    if NOISE in inputs:
        pictures = pictures + inputs[NOISE]
    if ROLL in inputs:
        places = torch.arange(pictures.shape[-2], device=pictures.device) - inputs[ROLL][..., None]
        source = places.remainder(pictures.shape[-2])[..., None].expand_as(pictures)
        pictures = pictures.gather(-2, source)
    return pictures


def _within(first: Tensor, count: Tensor, size: int) -> Tensor:
    """Which of `size` places a span covers: (B, T, 1) each -> (B, T, size) bool."""
    places = torch.arange(size, device=first.device)
    return (places >= first) & (places < first + count)
