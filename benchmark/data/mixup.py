"""Mixup of sound alone: a training clip's sound with some of another clip's in it, pictures and labels unmixed."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmark.data.changed_clips import ChangedClips
from registry.vocabulary import Item

INT16_SCALE = 1 / 32768


class MixedSound(ChangedClips):
    """Clips whose waveforms are mixed with another clip's, as in STG-CMA's training on AVE.

    A clip is mixed with probability `mixup`; its share lambda is drawn from Beta(a, a), a = `mixup_beta`, afresh for
    each segment. Both waveforms are centred first. What happens to an item follows from the epoch's seed and its place.
    """

    def __getitem__(self, index: int) -> Item:
        item = self._clips[index]
        if "waveform" not in item["inputs"]:
            return item
        sound = _as_float(item["inputs"]["waveform"])
        # The last number keeps these draws apart from those of other changes to the same item.
        rng = np.random.default_rng([self._seed, index, 1])
        if rng.random() < self._recipe.mixup:
            other = self._clips[int(rng.integers(len(self)))]["inputs"]["waveform"]
            share = rng.beta(self._recipe.mixup_beta, self._recipe.mixup_beta, (len(sound), 1))
            sound = mix(sound, _as_float(other), torch.from_numpy(share).float())
        return {**item, "inputs": {**item["inputs"], "waveform": sound}}


def mix(sound: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """`share` of one centred waveform and the rest of another: (T, samples), (T, samples), (T, 1) -> (T, samples)."""
    return share * (sound - sound.mean()) + (1 - share) * (other - other.mean())


def _as_float(waveform: Tensor) -> Tensor:
    return waveform if waveform.is_floating_point() else waveform.float() * INT16_SCALE
