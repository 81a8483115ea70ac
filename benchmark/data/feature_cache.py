"""Clips as their run needs them, made once and kept: pictures, or what an untouched backbone says of them.

Kept items lie under `prepared/` in the folder of `registry.cache`; every run that would compute the same shares them.
AVBENCH_PREPARED=none keeps nothing; the numbers of a run do not depend on it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import timm
import torch
from torch.utils.data import Dataset, Subset

from adapters.parts import tower_of
from benchmark.data.item_records import ItemRecords, record_bytes, record_items
from benchmark.data.loader import clip_loader, clips_in
from benchmark.grid.identity import feature_key, picture_key
from benchmark.grid.resolve import versions_of
from benchmark.grid.spec import RunSpec
from benchmark.model.front_end import PICTURES
from benchmark.model.model import AudioVisualModel
from registry.cache import cache_folder, keeps_prepared
from registry.component import towers_of
from registry.vocabulary import Item, Modality, Split
from tasks.datasets.source import CountReport
from tasks.record_file import UnevenRecordsError
from tasks.task import Task

PICTURE_BYTES = 512 * 2**20
"""The most that the pictures of one split may take on disk; larger ones are made anew each time."""
FEATURE_BYTES = 64 * 2**30
"""The most that the frozen features of one split may take."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FeatureCache:
    """What is done to the clips of a cell before anything that trains sees them.

    Args:
        spec: of the cell.
        model: on its device.
        workers: processes that load clips, see `clip_loader`.
        report: is told how many clips of how many are done while they are made.
    """

    spec: RunSpec
    task: Task
    model: AudioVisualModel
    workers: int | None = 0
    report: CountReport = lambda done, total: None

    @property
    def keeps_features(self) -> bool:
        """Whether scheme and head leave features alone, so that runs can share them; pictures alone are shared else."""
        unchanged = self.model.encoder.scheme.leaves_features_unchanged and not self.model.head.reads_pictures
        return unchanged and keeps_prepared()

    def clips(self, clips: Dataset[Item], split: Split) -> Dataset[Item]:
        """The items of a split with features or pictures for inputs, or as they are where these cannot be kept."""
        if not keeps_prepared() or changes_by_epoch(clips) or not len(cast(Sized, clips)):
            return clips
        if self.keeps_features:
            kept = [self._kept_features(clips, split, tower) for tower in towers_of(self.spec.backbone) or [None]]
            features = [records for records in kept if records is not None]
            if len(features) == len(kept):
                return CachedFeatures(features, clips)
        # A GPU makes pictures faster than it reads them.
        on_cpu = self._device.type == "cpu"
        make = partial(self._pictures, clips)
        folder = self._folder(clips, split, "pictures")
        pictures = self._kept(clips, split, "pictures", folder, make, PICTURE_BYTES) if on_cpu else None
        return clips if pictures is None else pictures

    def _kept_features(self, clips: Dataset[Item], split: Split, tower: str | None) -> ItemRecords | None:
        """Features of both modalities, or where these have a backbone each, of one alone, for every pairing of it."""
        folder = self._folder(clips, split, "features", tower)
        make = partial(self._features, clips, split, tower)
        return self._kept(clips, split, "features", folder, make, FEATURE_BYTES)

    def _kept(
        self,
        clips: Dataset[Item],
        split: Split,
        kind: str,
        folder: Path,
        make: Callable[..., Iterator[Item]],
        limit: int,
    ) -> ItemRecords | None:
        count = len(cast(Sized, clips))
        try:
            if not folder.exists() and not self._fits(next(make(1, 0)), count, limit, kind, split):
                return None
            return record_items(folder, count, partial(self._counted, make, count))
        except UnevenRecordsError as error:
            logger.info("%s of the %s split are made anew each time: %s", kind, split, error)
        except OSError as error:
            logger.warning("%s cannot be kept in %s: %s", kind, folder.parent, error.strerror or error)
        return None

    def _folder(self, clips: Dataset[Item], split: Split, kind: str, tower: str | None = None) -> Path:
        identity = self._identity(kind, split, len(cast(Sized, clips)), tower)
        return cache_folder("prepared", make=True) / f"{kind}-{identity}"

    def _pictured_before(self, clips: Dataset[Item], split: Split) -> Dataset[Item]:
        """The pictures of the clips where another run has left them."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            return ItemRecords(self._folder(clips, split, "pictures"))
        return clips

    def _fits(self, item: Item, count: int, limit: int, kind: str, split: Split) -> bool:
        size = count * record_bytes(item)
        room = shutil.disk_usage(_existing(cache_folder())).free // 2
        if size <= min(limit, room):
            return True
        logger.info("%s of the %s split would take %.1f GB and are made anew each time", kind, split, size / 1e9)
        return False

    def _counted(self, make: Callable[..., Iterator[Item]], count: int, start: int) -> Iterable[Item]:
        for done, item in enumerate(make(self.spec.recipe.batch_size, start), start=start + 1):
            yield item
            self.report(done, count)

    def _features(
        self, clips: Dataset[Item], split: Split, tower: str | None, batch_size: int, start: int
    ) -> Iterator[Item]:
        rest = Subset(self._pictured_before(clips, split), range(start, len(cast(Sized, clips))))
        for batch in clip_loader(rest, batch_size=batch_size, workers=self.workers):
            prepared = self.model.data_preprocessor(batch)["inputs"]
            asked = {n: x for n, x in prepared.items() if tower is None or PICTURES.get(n, tower) == tower}
            inputs = self.model.frozen_features(asked)
            yield from _items({"inputs": inputs, "targets": batch["targets"]})

    def _pictures(self, clips: Dataset[Item], batch_size: int, start: int) -> Iterator[Item]:
        front_end = self.model.data_preprocessor.front_end
        for index in range(start, len(cast(Sized, clips))):
            item = clips[index]
            inputs = front_end({name: value.unsqueeze(0) for name, value in item["inputs"].items()})
            yield {**item, "inputs": {name: value.squeeze(0) for name, value in inputs.items()}}

    def _identity(self, kind: str, split: Split, count: int, tower: str | None = None) -> str:
        """Of everything that decides what the items hold."""
        task, spec, backbone = self.task, self.spec, self.model.encoder.backbone
        if tower is not None and not tower_of(backbone, cast(Modality, tower)).random_weights:
            # Random weights are drawn one after the other, so that they are not those of the tower alone.
            spec = replace(spec, backbone=towers_of(spec.backbone)[tower])
            backbone = tower_of(backbone, cast(Modality, tower))
        facts: dict[str, Any] = {"data": task.data_identity(), "versions": versions_of(spec, task)}
        shared = feature_key(spec, **facts, weights=backbone.weight_files, head_options=task.head_options)
        made_by: dict[str, Any] = {"libraries": [torch.__version__, timm.__version__], "device": self._device.type}
        if kind == "features":
            made_by |= {"features": shared, "tokens": self.model.head.reads_tokens}
            made_by |= {} if tower is None else {"tower": tower}
            if self.model.head.reads_stages:
                made_by["stages"] = sorted(self.model.head.reads_stages)
        else:
            picture = repr(backbone.picture)
            pictures = picture_key(spec, **facts, picture=picture, head_options=task.head_options)
            made_by |= {"pictures": pictures}
        return hashlib.sha256(json.dumps([made_by, split, count], sort_keys=True).encode()).hexdigest()[:16]

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device


class CachedFeatures(Dataset[Item]):
    """Frozen features of clips, and the clips themselves for those who measure what features cost.

    Args:
        features: records of whole items, or of parts of them that make up the items.
    """

    def __init__(self, features: Sequence[ItemRecords], clips: Dataset[Item]) -> None:
        self.features, self.clips = features, clips

    def __len__(self) -> int:
        return len(self.features[0])

    def __getitem__(self, index: int) -> Item:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[Item]:
        first, *others = (records.__getitems__(indices) for records in self.features)
        for parts in others:
            first = [{**one, "inputs": one["inputs"] | part["inputs"]} for one, part in zip(first, parts, strict=True)]
        return first


def changes_by_epoch(clips: Dataset[Item]) -> bool:
    """Whether the items of a data set differ from epoch to epoch, so that none may be kept."""
    return hasattr(clips, "begin_epoch")


def _items(batch: Any) -> Iterator[Item]:
    """The items of a collated batch."""
    for index in range(clips_in(batch["inputs"])):
        yield cast(Item, _at(batch, index))


def _at(value: Any, index: int) -> Any:
    if isinstance(value, dict):
        return {name: _at(inner, index) for name, inner in value.items()}
    return value[index]


def _existing(folder: Path) -> Path:
    return folder if folder.exists() else _existing(folder.parent)
