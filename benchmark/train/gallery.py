"""Test clips of a run that are kept to be looked at: the worst, and those around the median."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.utils.data import default_collate

from benchmark.model.model import AudioVisualModel
from registry.vocabulary import ItemScore, ShownClip
from tasks.task import Task

EACH = 10
"""Clips of each kind."""


@torch.inference_mode()
def gallery(model: AudioVisualModel, task: Task, items: Sequence[ItemScore]) -> tuple[ShownClip, ...]:
    """The worst clips of the test split and those around its median; empty of tasks that show none.

    They are read and encoded once more, one by one, which is cheap: nothing of the others need be kept meanwhile.

    Args:
        task: with its clips, frames fitted to the model's pictures.
        items: scored, one for each clip in the order of the split; others have no gallery.
    """
    if type(task).view is Task.view:
        return ()
    clips, found = task.dataset("test"), []
    model.eval()
    for place, index in chosen(items):
        item = clips[index]
        if item["targets"]["id"] != items[index].item:
            return ()
        batch = model.data_preprocessor(default_collate([item]))
        view = task.view(item, model.head, model.outputs(batch["inputs"]))
        if view is not None:
            found.append(ShownClip(items[index].item, items[index].score, place, view))
    return tuple(found)


def chosen(items: Sequence[ItemScore]) -> list[tuple[str, int]]:
    """`worst` and `median` with the places of clips, the worst first; no clip is both."""
    order = sorted(range(len(items)), key=lambda place: (items[place].score, items[place].item))
    begin = min(max(EACH, len(order) // 2 - EACH // 2), max(EACH, len(order) - EACH))
    worst, middle = order[:EACH], order[begin : begin + EACH]
    return [("worst", place) for place in worst] + [("median", place) for place in middle]
