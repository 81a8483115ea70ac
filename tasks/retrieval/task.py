"""Bidirectional audio-visual instance retrieval."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from torch.utils.data import Dataset

from registry.registries import register_task
from registry.vocabulary import Inputs, Prediction, Split
from tasks.metrics import percent, recall_at, tie_aware_ranks
from tasks.recipe import Recipe
from tasks.retrieval.head import SharedSpace
from tasks.synthetic import store
from tasks.synthetic.dataset import SyntheticPairs
from tasks.task import Evaluation, Head, ItemScore, Task, example_clips

if TYPE_CHECKING:
    from tasks.event_localisation.data import AveFolder

DIRECTIONS = ("audio_to_visual", "visual_to_audio")


@register_task("retrieval")
class Retrieval(Task):
    """Find a clip's sound among all sounds of the split, and its pictures among all pictures.

    The primary score is the mean of recall@1 over both directions. Ranks count ties half, so that constant
    embeddings score at chance. data: `synthetic`, or a folder with AVE's annotation files and videos.
    """

    primary_metric: ClassVar[str] = "recall_at_1"
    # No paper of this family reports retrieval: the event task's numbers, with a batch large enough for negatives.
    published_recipe: ClassVar[Recipe] = Recipe(batch_size=32, adapter_lr=1e-4, head_lr=1e-3)

    def __init__(self, data: str = "synthetic") -> None:
        self.data = data
        self._folder = None if self.is_synthetic else _open(data)
        self.segments = store.SEGMENTS if self._folder is None else self._folder.segments

    def dataset(self, split: Split) -> Dataset:
        return SyntheticPairs(split) if self._folder is None else self._folder.pairs(split)

    def head(self, dim: int) -> Head:
        return SharedSpace(dim)

    def evaluate(self, predictions: list[Prediction]) -> Evaluation:
        visual, audio = (np.stack([p[m] for p in predictions]) for m in ("visual", "audio"))
        similarity = audio @ visual.T
        ranks = dict(zip(DIRECTIONS, (tie_aware_ranks(similarity), tie_aware_ranks(similarity.T)), strict=True))
        scores = {f"recall_at_{k}": percent([recall_at(r, k) / 100 for r in ranks.values()]) for k in (1, 5, 10)}
        for direction, r in ranks.items():
            scores |= {f"{direction}_recall_at_{k}": recall_at(r, k) for k in (1, 5, 10)}
            scores[f"{direction}_median_rank"] = float(np.median(r))
        items = [
            ItemScore(p["id"], float(rank <= 1), direction)
            for direction, r in ranks.items()
            for p, rank in zip(predictions, r, strict=True)
        ]
        return Evaluation(scores, items)

    def example_inputs(self, batch: int) -> Inputs:
        return example_clips(batch, self.segments)

    def data_identity(self) -> str:
        return store.identity() if self._folder is None else self._folder.identity()

    def prepare(self, report: Callable[[int, int], None] | None = None) -> None:
        if self._folder is None:
            store.prepare("ensemble", report)
        else:
            self._folder.check()


def _open(data: str) -> AveFolder:
    # The decoder behind it takes a moment to import, and the procedural world does not need it.
    from tasks.event_localisation.data import AveFolder

    return AveFolder(data)
