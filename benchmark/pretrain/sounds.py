"""Labelled procedural sounds for pre-training the tiny backbone that hears; nothing here comes from pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backbones.tiny.presets import PICTURE
from benchmark.model.front_end import FrontEnd
from registry.vocabulary import SAMPLE_RATE
from tasks.synthetic.scene import CLASSES, Thing
from tasks.synthetic.sound import voice

MOST_VOICES = 3


@dataclass(frozen=True)
class PretrainingSounds:
    """Seconds of sound and what is heard in them."""

    pictures: Tensor
    """(N, 1, frames, F) float32, normalised log-mel energies."""
    present: Tensor
    """(N, C) float32: 1 where a class sounds."""
    loudest: Tensor
    """(N,) int64: the class that sounds loudest, `len(CLASSES)` where none does."""


def draw_sounds(rng: np.random.Generator, count: int) -> PretrainingSounds:
    """Seconds with none to three voices of different classes over noise, each class with a rhythm of its own."""
    present = np.zeros((count, len(CLASSES)), np.float32)
    loudest = np.full(count, len(CLASSES))
    waveforms = np.empty((count, 1, SAMPLE_RATE), np.float32)
    for i in range(count):
        sound = rng.standard_normal(SAMPLE_RATE, dtype=np.float32) * np.float32(rng.uniform(0.002, 0.01))
        voices = rng.permutation(len(CLASSES))[: rng.integers(MOST_VOICES + 1)]
        loudness = rng.permutation([1.0, 0.6, 0.36])[: len(voices)] * rng.uniform(0.4, 1.0)
        for category, level in zip(voices, loudness, strict=True):
            sound += _second_of(rng, int(category), float(level))
        present[i, voices] = 1
        if len(voices):
            loudest[i] = voices[loudness.argmax()]
        waveforms[i, 0] = np.clip(sound, -1, 1)
    sounds = FrontEnd(PICTURE).audio(torch.from_numpy(waveforms))[:, 0, :1]
    return PretrainingSounds(sounds.contiguous(), torch.from_numpy(present), torch.from_numpy(loudest))


def _second_of(rng: np.random.Generator, category: int, loudness: float) -> np.ndarray:
    """A second of a class's sound, begun anywhere in its rhythm: -> (SAMPLE_RATE,) float32"""
    pitch, timbre = float(np.exp(rng.uniform(np.log(220), np.log(900)))), int(rng.integers(2**31))
    thing = Thing(category, 0, 0, 0, None, (0, 1), 0.5, 0.5, (0.0, 0.0), 0.1, 0.0, pitch, loudness, timbre)
    return voice(thing, SAMPLE_RATE)
