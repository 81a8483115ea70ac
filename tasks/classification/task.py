"""Clip classification: one label for each clip, for videos of your own."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from registry.registries import register_task
from registry.vocabulary import Answers, Prediction, Width
from tasks.classification.head import ClipClassifier
from tasks.datasets.open import open_source
from tasks.heads import modalities_of
from tasks.metrics import average_precision, levels, percent
from tasks.recipe import Recipe
from tasks.task import Evaluation, Head, ItemScore, SourceTask


@register_task("classification", version=1)
class Classification(SourceTask):
    """The class of a clip: accuracy, and mean average precision over the classes that occur.

    data: `synthetic`, or a manifest of your own with labels (a .csv file, or a folder with manifest.csv). modality:
    `both`, `visual`, `audio`. segments: of a manifest's clips (10). allow_missing: leave out clips whose
    media are missing, and say how many. resize: use a store that was prepared at another size than the backbone's.
    """

    primary_metric: ClassVar[str] = "accuracy"
    head_options: ClassVar[frozenset[str]] = frozenset({"modality"})
    # No paper of this family: retrieval's numbers with smaller batches, since no pairs are needed within one.
    published_recipe: ClassVar[Recipe] = Recipe(batch_size=8, adapter_lr=1e-4, head_lr=1e-3)

    def __init__(
        self,
        data: str = "synthetic",
        modality: str = "both",
        segments: int | None = None,
        allow_missing: bool = False,
        resize: bool = False,
    ) -> None:
        source = open_source(data, "labels", segments=segments, allow_missing=allow_missing)
        super().__init__(data, source, resize)
        self.labels = self.classes = source.classes
        self.modalities = modalities_of(modality)

    def head(self, dim: Width) -> Head:
        return ClipClassifier(dim, len(self.classes), self.modalities)

    def evaluate(self, predictions: list[Prediction]) -> Evaluation:
        probabilities = np.stack([p["probabilities"] for p in predictions])
        categories = np.array([p["category"] for p in predictions])
        right = probabilities.argmax(1) == categories
        precisions = [average_precision(categories == c, probabilities[:, c]) for c in np.unique(categories)]
        items = [
            ItemScore(p["id"], float(r), self.classes[p["category"]]) for p, r in zip(predictions, right, strict=True)
        ]
        names = tuple(p["id"] for p in predictions)
        known = levels(categories, len(self.classes))
        answers = Answers(known, self.classes, names, categories, probabilities.argmax(1), probabilities)
        return Evaluation({"accuracy": percent(right), "mean_average_precision": percent(precisions)}, items, answers)
