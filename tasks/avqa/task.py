"""Audio-visual question answering (MUSIC-AVQA)."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import torch
from torch.utils.data import Dataset

from registry.errors import UserError, unknown
from registry.registries import register_task
from registry.vocabulary import Answers, Inputs, Prediction, Split, Width
from tasks.avqa.grounded import FORMS, GroundedReadout
from tasks.avqa.head import QuestionReadout
from tasks.avqa.negatives import WithNegatives
from tasks.datasets.open import open_source
from tasks.heads import modalities_of
from tasks.metrics import levels, percent
from tasks.questions import KINDS
from tasks.recipe import Recipe
from tasks.task import Evaluation, Head, ItemScore, SourceTask


@register_task("avqa", version=1)
class Avqa(SourceTask):
    """Questions about sound, sight and both; share of right answers over all questions (micro average).

    data: `synthetic`, a folder with MUSIC-AVQA's annotation files and videos, or `music_avqa` (its sizes without files,
    for counting parameters). modality: `both`, `visual`, `audio`. head: `compact`, or the papers' grounding head in
    the form of `lavish` or `stg_cma`. version: `v1` reads MUSIC-AVQA's `json`, `v1u` its `json_update`. subset: `all`
    videos, `real` or `synthetic` ones. sampling: `middle` of ten equal parts with a second of sound each, or the
    papers' `published` moments with 1.95 s. allow_missing: leave out questions about videos that are missing, and say
    how many. resize: use a store that was prepared at another size than the backbone's.
    """

    primary_metric: ClassVar[str] = "answer_accuracy"
    head_options: ClassVar[frozenset[str]] = frozenset({"head", "modality"})
    published_recipe: ClassVar[Recipe] = Recipe(epochs=30, batch_size=1, adapter_lr=8e-5, head_lr=8e-5, warmup_epochs=0)

    def __init__(
        self,
        data: str = "synthetic",
        modality: str = "both",
        head: Literal["compact", "lavish", "stg_cma"] = "compact",
        version: Literal["v1", "v1u"] = "v1",
        subset: Literal["all", "real", "synthetic"] = "all",
        sampling: Literal["middle", "published"] = "middle",
        allow_missing: bool = False,
        resize: bool = False,
    ) -> None:
        self.modalities, self._head = modalities_of(modality), head
        if head not in ("compact", *FORMS):
            raise unknown("head of avqa", str(head), ("compact", *FORMS))
        if head in FORMS and modality != "both":
            raise UserError(f"head={head!r} grounds sound in sight and needs both; modality is {modality!r}.")
        source = open_source(
            data, "questions", version=version, subset=subset, sampling=sampling, allow_missing=allow_missing
        )
        super().__init__(data, source, resize)
        self.kinds = KINDS
        self.labels = self.answers = source.answers
        self.words = source.words
        self._question_shape = source.question_shape

    def dataset(self, split: Split) -> Dataset:
        clips = super().dataset(split)
        return WithNegatives(clips) if split == "train" and self._head in FORMS else clips

    def head(self, dim: Width) -> Head:
        if self._head in FORMS:
            return GroundedReadout(dim, len(self.words), len(self.answers), self._head)
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
        return Evaluation(scores, items, self._answers(predictions, tuple(item.item for item in items)))

    def _answers(self, predictions: list[Prediction], names: tuple[str, ...]) -> Answers:
        """Of every question, `clip#question`."""
        labels, predicted = (np.concatenate([p[part] for p in predictions]) for part in ("answers", "predicted"))
        known = all("probabilities" in p for p in predictions)
        probabilities = np.concatenate([p["probabilities"] for p in predictions]) if known else None
        return Answers(levels(labels, len(self.answers)), self.answers, names, labels, predicted, probabilities)

    def example_inputs(self, batch: int) -> Inputs:
        questions = torch.zeros((batch, *self._question_shape), dtype=torch.int64)
        return {**super().example_inputs(batch), "questions": questions}


def _accuracy(name: str, items: list[ItemScore]) -> dict[str, float]:
    """A score under the name's snake_case form; nothing where no such question was asked."""
    key = name.lower().replace(" ", "_").replace("-", "_")
    return {key: percent([item.score for item in items])} if items else {}
