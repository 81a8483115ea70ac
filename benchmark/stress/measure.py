"""The test split scored again under every condition that says something of a task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import numpy as np
import torch

from benchmark.data.loader import clip_loader
from benchmark.model.model import AudioVisualModel
from benchmark.stress.corruptions import VERSION, Change, ClipsWithOtherSound, absent_in, conditions_of
from registry.errors import UserError
from registry.vocabulary import (
    CLEAN,
    MODALITIES,
    Condition,
    Encode,
    Features,
    Modality,
    Prediction,
    Streams,
    StressScores,
)
from tasks.task import Task


def stress(
    model: AudioVisualModel,
    task: Task,
    *,
    batch_size: int,
    workers: int | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> StressScores:
    """Scores of every test item, of clips as they are and under each condition; see `benchmark.stress.corruptions`.

    Each clip is read once, and once more to lend its sound to another.

    Args:
        model: in the state that is to be looked at, on its device.
        task: with its clips, frames fitted to the model's pictures.
        workers: processes that read clips, see `clip_loader`.
        report: is told how many clips of how many are done.

    Raises:
        UserError: a split of a single clip, which no other sound can be lent to, or data that cannot be read.
    """
    modalities = cast("tuple[Modality, ...]", getattr(task, "modalities", MODALITIES))
    asked = {CLEAN: None, **_asked(task, modalities)}
    clips = task.dataset("test")
    many = len(cast(Any, clips))
    if any(condition.family == "other_sound" for condition in asked):
        if many < 2:
            raise UserError("the test split has one clip, and another clip's sound needs two.")
        clips = ClipsWithOtherSound(clips)
    model.eval()
    said: dict[Condition, list[Prediction]] = {condition: [] for condition in asked}
    for batch in clip_loader(clips, workers=workers, batch_size=batch_size):
        for condition, predictions in _each(model, batch, asked):
            said[condition] += predictions
        report(len(said[CLEAN]), many)
    scored = {condition: task.evaluate(predictions).items for condition, predictions in said.items()}
    first, groups = scored[CLEAN], task.source.groups if task.source else {}
    return StressScores(
        items=tuple(item.item for item in first),
        kinds=tuple(item.kind for item in first),
        groups=tuple(groups.get(item.item, "") for item in first),
        conditions=tuple(asked),
        scores=np.array([[item.score for item in items] for items in scored.values()], dtype=np.float32),
        left_out={family: why for family, why in task.beyond_stress.items() if _would_be_asked(family, modalities)},
        version=VERSION,
    )


def without(encode: Encode, absent: Modality) -> Encode:
    """An encoder that leaves a stream out, whose features are zeros like those of the other."""

    def encode_rest(pictures: Streams) -> dict[Modality, Features]:
        rest: Streams = {m: picture for m, picture in pictures.items() if m != absent}
        features = encode(rest or pictures)
        nothing = _zeros(next(iter(features.values())))
        return {m: features[m] if m in rest else nothing for m in pictures}

    return encode_rest


def _asked(task: Task, modalities: tuple[Modality, ...]) -> dict[Condition, Change]:
    known = conditions_of(modalities)
    return {condition: change for condition, change in known.items() if condition.family not in task.beyond_stress}


def _would_be_asked(family: str, modalities: tuple[Modality, ...]) -> bool:
    return any(condition.family == family for condition in conditions_of(modalities))


@torch.inference_mode()
def _each(
    model: AudioVisualModel, batch: Mapping[str, Any], asked: Mapping[Condition, Change | None]
) -> Iterator[tuple[Condition, list[Prediction]]]:
    names = list(batch["targets"]["id"])
    for condition, change in asked.items():
        inputs = change(batch["inputs"], names) if change else batch["inputs"]
        prepared = model.data_preprocessor({"inputs": inputs, "targets": batch["targets"]})
        absent = absent_in(condition)
        encode = without(model.encoder, absent) if absent else model.encoder
        yield condition, model.head.predict(model.outputs(prepared["inputs"], encode), prepared["targets"])


def _zeros(features: Features) -> Features:
    stages = tuple(torch.zeros_like(stage) for stage in features.stages)
    return Features(torch.zeros_like(features.tokens), torch.zeros_like(features.pooled), stages)
