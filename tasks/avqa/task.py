"""Audio-visual question answering (MUSIC-AVQA)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import torch
from torch.utils.data import Dataset

from registry.registries import register_task
from registry.vocabulary import Inputs, Prediction, Split
from tasks.avqa.head import QuestionReadout
from tasks.avqa.kinds import KINDS
from tasks.features import modalities_of
from tasks.metrics import percent
from tasks.recipe import Recipe
from tasks.synthetic import questions as world
from tasks.synthetic import store
from tasks.synthetic.dataset import QUESTIONS, SyntheticQuestions
from tasks.task import Evaluation, Head, ItemScore, Task, example_clips

if TYPE_CHECKING:
    from tasks.avqa.data import MusicAvqaFolder


@register_task("avqa")
class Avqa(Task):
    """Questions about sound, sight and both; share of right answers over all questions (micro average).

    data: `synthetic`, or a folder with MUSIC-AVQA's annotation files and videos. modality: `both`, `visual`, `audio`.
    """

    primary_metric: ClassVar[str] = "answer_accuracy"
    published_recipe: ClassVar[Recipe] = Recipe(epochs=30, batch_size=1, adapter_lr=8e-5, head_lr=8e-5, warmup_epochs=0)

    def __init__(self, data: str = "synthetic", modality: str = "both") -> None:
        self.data, self.modalities = data, modalities_of(modality)
        self._folder = None if self.is_synthetic else _open(data)
        self.segments = store.SEGMENTS if self._folder is None else self._folder.segments
        self.kinds = KINDS
        self.answers = tuple(world.ANSWERS if self._folder is None else self._folder.answers)
        self.words = tuple(world.words() if self._folder is None else self._folder.words)

    def dataset(self, split: Split) -> Dataset:
        return SyntheticQuestions(split) if self._folder is None else self._folder.clips(split)

    def head(self, dim: int) -> Head:
        return QuestionReadout(dim, self.segments, len(self.words), len(self.answers), self.modalities)

    def evaluate(self, predictions: list[Prediction]) -> Evaluation:
        items = [
            ItemScore(f"{p['id']}#{number}", float(predicted == answer), self.kinds[kind])
            for p in predictions
            for number, (predicted, answer, kind) in enumerate(
                zip(p["predicted"], p["answers"], p["kinds"], strict=True)
            )
        ]
        scores = {"answer_accuracy": percent([item.score for item in items])}
        for modality in ("Audio", "Visual", "Audio-Visual"):
            scores |= _accuracy(modality, [item for item in items if item.kind.split()[0] == modality])
        for kind in self.kinds:
            scores |= _accuracy(kind, [item for item in items if item.kind == kind])
        return Evaluation(scores, items)

    def example_inputs(self, batch: int) -> Inputs:
        shape = (batch, QUESTIONS, world.LONGEST) if self._folder is None else (batch, *self._folder.question_shape)
        return {**example_clips(batch, self.segments), "questions": torch.zeros(shape, dtype=torch.int64)}

    def data_identity(self) -> str:
        return store.identity() if self._folder is None else self._folder.identity()

    def prepare(self, report: Callable[[int, int], None] | None = None) -> None:
        if self._folder is None:
            store.prepare("ensemble", report)
        else:
            self._folder.check()


def _accuracy(name: str, items: list[ItemScore]) -> dict[str, float]:
    """A score under the name's snake_case form; nothing where no such question was asked."""
    key = name.lower().replace(" ", "_").replace("-", "_")
    return {key: percent([item.score for item in items])} if items else {}


def _open(data: str) -> MusicAvqaFolder:
    # The decoder behind it takes a moment to import, and the procedural world does not need it.
    from tasks.avqa.data import MusicAvqaFolder

    return MusicAvqaFolder(data)
