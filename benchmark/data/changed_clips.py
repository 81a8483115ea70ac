"""Clips with random changes that follow from the seed of the epoch and an item's place, whichever worker reads it."""

from __future__ import annotations

from collections.abc import Sized
from typing import cast

from torch.utils.data import Dataset

from registry.vocabulary import Item
from tasks.recipe import Recipe


class ChangedClips(Dataset[Item]):
    """The base of such clips: what is below them, what the recipe asks for and the seed of the epoch."""

    def __init__(self, clips: Dataset[Item], recipe: Recipe) -> None:
        self._clips, self._recipe, self._seed = clips, recipe, 0

    def begin_epoch(self, seed: int) -> None:
        """Draw the coming epoch's changes from this seed, the changes of the clips below included."""
        self._seed = seed
        if hasattr(self._clips, "begin_epoch"):
            self._clips.begin_epoch(seed)

    def __len__(self) -> int:
        return len(cast(Sized, self._clips))
