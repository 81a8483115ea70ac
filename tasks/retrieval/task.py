"""Bidirectional audio-visual instance retrieval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from registry.registries import register_task
from registry.vocabulary import Answers, Prediction, Width
from tasks.datasets.open import open_source
from tasks.metrics import percent, ranks
from tasks.recipe import Recipe
from tasks.retrieval.head import SharedSpace
from tasks.retrieval.scoring import class_scores, instance_scores, similarities
from tasks.task import Evaluation, Head, ItemScore, SourceTask

DIRECTIONS = ("audio_to_visual", "visual_to_audio")


@register_task("retrieval", version=1)
class Retrieval(SourceTask):
    """Find a clip's sound among all sounds of the split, and its pictures among all pictures.

    The primary score is the mean of recall@1 over both directions. Ties are broken at random and scored by expectation,
    so that constant embeddings score at chance. Where clips have classes, finding any clip of the class is scored too.

    data: `synthetic`, a folder with AVE's annotation files or CAV-MAE's VGGSound lists and the videos, a manifest of
    your own (a .csv file, or a folder with manifest.csv), or `ave`, `vggsound` (without files, for counting
    parameters). segments: of a manifest's clips (10). allow_missing: leave out clips whose
    media are missing, and say how many. resize: use a store that was prepared at another size than the backbone's.
    """

    primary_metric: ClassVar[str] = "recall_at_1"
    labels = ("match",)
    beyond_stress: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("no_sight", "no_sound", "other_sound"),
        "retrieval asks which sight and sound belong together, so it needs both",
    )
    # No paper of this family reports retrieval: the event task's numbers, with a batch large enough for negatives.
    published_recipe: ClassVar[Recipe] = Recipe(batch_size=32, adapter_lr=1e-4, head_lr=1e-3)

    def __init__(
        self,
        data: str = "synthetic",
        segments: int | None = None,
        allow_missing: bool = False,
        resize: bool = False,
    ) -> None:
        super().__init__(data, open_source(data, "pairs", segments=segments, allow_missing=allow_missing), resize)

    def head(self, dim: Width) -> Head:
        return SharedSpace(dim)

    def evaluate(self, predictions: list[Prediction]) -> Evaluation:
        visual, audio = (np.stack([p[m] for p in predictions]) for m in ("visual", "audio"))
        similarity = similarities(audio, visual)
        found = dict(zip(DIRECTIONS, ((ranks(s), s) for s in (similarity, similarity.T)), strict=True))
        by_direction = {direction: instance_scores(r) for direction, (r, _) in found.items()}
        if all("category" in p for p in predictions):
            labels = [p["category"] for p in predictions]
            for direction, (_, scores) in found.items():
                by_direction[direction] |= class_scores(scores, labels)
        items = [
            ItemScore(p["id"], float(share), direction)
            for direction, (r, _) in found.items()
            for p, share in zip(predictions, r.within(1), strict=True)
        ]
        return Evaluation(_means_and_both(by_direction), items, Answers({"chance": 100.0 / len(predictions)}))


def _means_and_both(by_direction: dict[str, dict[str, float]]) -> dict[str, float]:
    """Each score as the mean over both directions (ranks have none), then of each direction under its own name."""
    first, second = by_direction.values()
    means = {name: percent([first[name] / 100, second[name] / 100]) for name in first if name != "median_rank"}
    return means | {f"{d}_{name}": value for d, scores in by_direction.items() for name, value in scores.items()}
