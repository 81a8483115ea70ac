"""Frames of another clip beside each clip, which a grounding head learns to tell apart."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any, cast

import numpy as np
from torch.utils.data import Dataset

from registry.errors import DataError

Item = dict[str, dict[str, Any]]


class WithNegatives(Dataset[Item]):
    """Items that also hold the input `negative_frames`, the frames of another clip of the split.

    Which clip follows from the seed of the epoch and the item's place alone. (ST-AVQA draws the clip anew for each
    frame; one clip for all frames needs one more decoding instead of ten.)

    Args:
        items: a data set; its attribute `clip_names` says which items share a clip, without it none do.

    Raises:
        DataError: all items are of one clip.
    """

    def __init__(self, items: Dataset[Item]) -> None:
        self._items, self._seed = items, 0
        self._names = list(getattr(items, "clip_names", range(len(cast(Sized, items)))))
        if len(set(self._names)) < 2:
            raise DataError("grounding needs frames of another clip, and the training split has one clip only.")

    def begin_epoch(self, seed: int) -> None:
        """Choose the clips of the coming epoch."""
        self._seed = seed

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> Item:
        item = self._items[index]
        other = self._items[self._another(index)]
        return {**item, "inputs": {**item["inputs"], "negative_frames": other["inputs"]["frames"]}}

    def _another(self, index: int) -> int:
        rng = np.random.default_rng([self._seed, index])
        other = index
        while self._names[other] == self._names[index]:
            other = int(rng.integers(len(self)))
        return other
