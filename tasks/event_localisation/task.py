"""Event localisation: which event is both seen and heard in each segment, or background (AVE)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from torch.utils.data import Dataset

from registry.errors import UserError, unknown
from registry.registries import register_task
from registry.vocabulary import Inputs, Prediction, Split
from tasks.event_localisation.head import SegmentClassifier
from tasks.event_localisation.paper_heads import LavishClassifier, StgCmaClassifier
from tasks.features import modalities_of
from tasks.metrics import percent
from tasks.recipe import Recipe
from tasks.synthetic import store
from tasks.synthetic.dataset import CLASS_NAMES, SyntheticEvents
from tasks.task import Evaluation, Head, ItemScore, Task, example_clips

if TYPE_CHECKING:
    from tasks.event_localisation.data import AveFolder

HEADS = ("linear", "stg_cma", "lavish")


@register_task("event_localisation")
class EventLocalisation(Task):
    """Segment-wise events of a clip, or background; segment accuracy over all segments of all clips.

    data: `synthetic`, or a folder with AVE's annotation files and videos. modality: `both`, `visual`, `audio`.
    head: `linear`, or a paper's own: `stg_cma` (two layers, audio before visual), `lavish` (two layers, binary
    cross-entropy on softmax probabilities). label_smoothing: of the cross-entropy, so not with `lavish`.

    Raises:
        UserError: an option that is none of these.
    """

    primary_metric: ClassVar[str] = "segment_accuracy"
    published_recipe: ClassVar[Recipe] = Recipe(adapter_lr=5e-5, head_lr=5e-6, beta1=0.95, weight_decay=5e-7)

    def __init__(
        self, data: str = "synthetic", modality: str = "both", head: str = "linear", label_smoothing: float = 0.0
    ) -> None:
        _check_head(head, label_smoothing)
        self.data, self.modalities = data, modalities_of(modality)
        self.head_kind, self.label_smoothing = head, label_smoothing
        self._folder = None if self.is_synthetic else _open(data)
        self.classes = CLASS_NAMES if self._folder is None else (*self._folder.classes, "background")
        self.segments = store.SEGMENTS if self._folder is None else self._folder.segments

    def dataset(self, split: Split) -> Dataset:
        return SyntheticEvents(split) if self._folder is None else self._folder.clips(split)

    def head(self, dim: int) -> Head:
        classes = len(self.classes)
        if self.head_kind == "lavish":
            return LavishClassifier(dim, classes, self.modalities)
        build = StgCmaClassifier if self.head_kind == "stg_cma" else SegmentClassifier
        return build(dim, classes, self.modalities, self.label_smoothing)

    def evaluate(self, predictions: list[Prediction]) -> Evaluation:
        right = [np.equal(p["predicted"], p["labels"]) for p in predictions]
        # A clip without an event is all background, and is listed under that name.
        events = [min(p["labels"]) for p in predictions]
        items = [
            ItemScore(p["id"], float(r.mean()), self.classes[event])
            for p, r, event in zip(predictions, right, events, strict=True)
        ]
        event = [r[np.array(p["labels"]) < len(self.classes) - 1] for p, r in zip(predictions, right, strict=True)]
        scores = {"segment_accuracy": percent(np.concatenate(right)), "event_accuracy": percent(np.concatenate(event))}
        return Evaluation(scores, items)

    def example_inputs(self, batch: int) -> Inputs:
        return example_clips(batch, self.segments)

    def data_identity(self) -> str:
        return store.identity() if self._folder is None else self._folder.identity()

    def prepare(self, report: Callable[[int, int], None] | None = None) -> None:
        if self._folder is None:
            store.prepare("event", report)
        else:
            self._folder.check()


def _check_head(head: str, label_smoothing: float) -> None:
    if head not in HEADS:
        raise unknown("head of event_localisation", str(head), HEADS)
    if not 0 <= label_smoothing < 1:
        raise UserError(f"label_smoothing={label_smoothing} must be at least 0 and below 1.")
    if label_smoothing and head == "lavish":
        raise UserError(
            f"label_smoothing={label_smoothing} belongs to cross-entropy, and head='lavish' has none; leave it out."
        )


def _open(data: str) -> AveFolder:
    # The decoder behind it takes a moment to import, and the procedural world does not need it.
    from tasks.event_localisation.data import AveFolder

    return AveFolder(data)
