"""Clips whose pictures are made once and kept, where they are few and small enough."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any, cast

from torch.utils.data import Dataset

from benchmark.front_end import FrontEnd
from registry.vocabulary import MODALITIES

KEPT_BYTES = 512 * 2**20
"""The most memory that the pictures of one split may take."""

Item = dict[str, dict[str, Any]]


class PreparedClips(Dataset[Item]):
    """A data set behind a front end: items hold the pictures `visual` and `audio` instead of frames and waveforms.

    Epochs after the first then neither read clips nor transform sound, a large part of a tiny backbone's step.
    """

    def __init__(self, clips: Dataset[Item], front_end: FrontEnd) -> None:
        self._clips, self._front_end = clips, front_end
        self._kept: dict[int, Item] = {}

    def __len__(self) -> int:
        return len(cast(Sized, self._clips))

    def __getitem__(self, index: int) -> Item:
        if index not in self._kept:
            item = self._clips[index]
            inputs = self._front_end({name: value.unsqueeze(0) for name, value in item["inputs"].items()})
            self._kept[index] = {**item, "inputs": {name: value.squeeze(0) for name, value in inputs.items()}}
        return self._kept[index]


def changes_by_epoch(clips: Dataset[Item]) -> bool:
    """Whether the items of a data set differ from epoch to epoch, so that none may be kept."""
    return hasattr(clips, "begin_epoch")


def prepared(clips: Dataset[Item], front_end: FrontEnd) -> Dataset[Item]:
    """`clips` behind the front end if the pictures of all of them are small enough to keep, else `clips` themselves."""
    behind = PreparedClips(clips, front_end)
    if not len(behind) or changes_by_epoch(clips):
        return clips
    inputs = behind[0]["inputs"]
    size = sum(inputs[m].untyped_storage().nbytes() for m in MODALITIES if m in inputs)
    return behind if size * len(behind) <= KEPT_BYTES else clips
