"""Event localisation: which event is both seen and heard in each segment, or background (AVE)."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from registry.errors import UserError, unknown
from registry.registries import register_task
from registry.vocabulary import Answers, ClipView, Item, Outputs, Prediction, Width
from tasks.datasets.open import open_source
from tasks.event_localisation.cmbs import CmbsHead
from tasks.event_localisation.head import SegmentClassifier, SegmentHead
from tasks.event_localisation.paper_heads import LavishClassifier, StgCmaClassifier
from tasks.event_localisation.weak import WeakSupervision
from tasks.heads import modalities_of, widths_of
from tasks.metrics import levels, percent
from tasks.recipe import Recipe
from tasks.task import Evaluation, Head, ItemScore, SourceTask
from tasks.thumbnails import strip

SUPERVISION = ("full", "weak")
HEADS = ("linear", "stg_cma", "lavish", "cmbs")


@register_task("event_localisation", version=1)
class EventLocalisation(SourceTask):
    """Segment-wise events of a clip, or background; segment accuracy over all segments of all clips.

    data: `synthetic`, a folder with AVE's annotation files and videos, a manifest of your own (a .csv file, or a folder
    with manifest.csv), or `ave` (its sizes without files, for counting parameters). modality: `both`, `visual`,
    `audio`. split: AVE's `official` one, or `dedup` without the clips that occur in several splits. supervision:
    `full`, or `weak`, which trains on the clip's class alone. segments: of a manifest's clips (10).
    head: `linear`, or a paper's own: `stg_cma` (two layers, audio before visual), `lavish` (two layers, binary
    cross-entropy on softmax probabilities), `cmbs` (DG-SCT's and AVMoE's: streams meet over time; of both modalities,
    under full supervision). gate_loss: of `cmbs`, DG-SCT's term of the gates; False for AVMoE.
    label_smoothing: of the cross-entropy, so not with `lavish` or `cmbs`.
    sampling: of AVE's clips, the `middle` of each second, or the papers' `published` moments. background: weak
    supervision on AVE also trains on the clips without an event that backgroundSet.txt lists. allow_missing: leave out
    clips whose media are missing, and say how many. resize: use a store that was prepared at another size than the
    backbone's.

    Raises:
        UserError: an option that is none of these.
    """

    primary_metric: ClassVar[str] = "segment_accuracy"
    head_options: ClassVar[frozenset[str]] = frozenset({"head", "label_smoothing", "gate_loss", "modality"})
    published_recipe: ClassVar[Recipe] = Recipe(adapter_lr=5e-5, head_lr=5e-6, beta1=0.95, weight_decay=5e-7)

    def __init__(
        self,
        data: str = "synthetic",
        modality: str = "both",
        split: Literal["official", "dedup"] = "official",
        supervision: Literal["full", "weak"] = "full",
        segments: int | None = None,
        head: str = "linear",
        label_smoothing: float = 0.0,
        sampling: Literal["middle", "published"] = "middle",
        background: bool = False,
        allow_missing: bool = False,
        resize: bool = False,
        gate_loss: bool = True,
    ) -> None:
        if supervision not in SUPERVISION:
            raise unknown("supervision", str(supervision), SUPERVISION)
        _check_head(head, label_smoothing)
        if supervision == "weak" and label_smoothing:
            raise UserError(
                f"label_smoothing={label_smoothing} is of segments' labels, which supervision='weak' lacks."
            )
        if background and supervision != "weak":
            raise UserError("background=True adds clips to weak supervision; give supervision='weak' with it.")
        if head == "cmbs" and (modality, supervision) != ("both", "full"):
            raise UserError(
                f"head='cmbs' is of both modalities and full supervision, not of modality={modality!r} and "
                f"supervision={supervision!r}; choose another head."
            )
        if not gate_loss and head != "cmbs":
            raise UserError(f"gate_loss=False belongs to head='cmbs', and this head is {head!r}; leave it out.")
        self.modalities, self._weak = modalities_of(modality), supervision == "weak"
        self.head_kind, self.label_smoothing, self.gate_loss = head, label_smoothing, gate_loss
        source = open_source(
            data,
            "events_of_one_kind" if self._weak else "events",
            split=split,
            segments=segments,
            sampling=sampling,
            background=background,
            allow_missing=allow_missing,
        )
        super().__init__(data, source, resize)
        self.labels = self.classes = (*source.classes, "background")

    def head(self, dim: Width) -> Head:
        head = self._segment_head(dim)
        return WeakSupervision(head) if self._weak else head

    def _segment_head(self, dim: Width) -> SegmentHead:
        classes = len(self.classes)
        if self.head_kind == "cmbs":
            widths = widths_of(dim)
            return CmbsHead((widths["visual"], widths["audio"]), classes, self.gate_loss)
        if self.head_kind == "lavish":
            return LavishClassifier(dim, classes, self.modalities)
        build = StgCmaClassifier if self.head_kind == "stg_cma" else SegmentClassifier
        return build(dim, classes, self.modalities, self.label_smoothing)

    def view(self, item: Item, head: Head, outputs: Outputs) -> ClipView:
        """The frames, and the event of each segment."""
        targets = {"labels": item["targets"]["labels"][None], "id": [item["targets"]["id"]]}
        (said,) = head.predict(outputs, targets)
        truth, predicted = (tuple(self.classes[label] for label in said[name]) for name in ("labels", "predicted"))
        return ClipView(strip(item["inputs"]["frames"].permute(0, 2, 3, 1).numpy()), truth, predicted)

    def evaluate(self, predictions: list[Prediction]) -> Evaluation:
        right = [np.equal(p["predicted"], p["labels"]) for p in predictions]
        # A clip without an event is all background, and is listed under that name.
        events = [min(p["labels"]) for p in predictions]
        items = [
            ItemScore(p["id"], float(r.mean()), self.classes[event])
            for p, r, event in zip(predictions, right, events, strict=True)
        ]
        labels = np.concatenate([p["labels"] for p in predictions])
        return Evaluation(self._scores(np.concatenate(right), labels), items, self._answers(predictions, labels))

    def _answers(self, predictions: list[Prediction], labels: np.ndarray) -> Answers:
        """Of every segment, `clip#segment`."""
        names = tuple(f"{p['id']}#{segment}" for p in predictions for segment in range(len(p["labels"])))
        predicted = np.concatenate([p["predicted"] for p in predictions])
        known = all("probabilities" in p for p in predictions)
        probabilities = np.concatenate([p["probabilities"] for p in predictions]) if known else None
        return Answers(levels(labels, len(self.classes)), self.classes, names, labels, predicted, probabilities)

    def _scores(self, right: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """Accuracy over all segments, over those with an event, and over those of each class: (N,), (N,) -> percent."""
        is_event = labels < len(self.classes) - 1
        scores = {"segment_accuracy": percent(right)}
        if is_event.any():
            scores["event_accuracy"] = percent(right[is_event])
        for number in np.unique(labels):
            scores[f"segment_accuracy/{self.classes[number]}"] = percent(right[labels == number])
        return scores


def _check_head(head: str, label_smoothing: float) -> None:
    if head not in HEADS:
        raise unknown("head of event_localisation", str(head), HEADS)
    if not 0 <= label_smoothing < 1:
        raise UserError(f"label_smoothing={label_smoothing} must be at least 0 and below 1.")
    if label_smoothing and head in ("lavish", "cmbs"):
        raise UserError(
            f"label_smoothing={label_smoothing} belongs to cross-entropy of segments, and head={head!r} has none; "
            "leave it out."
        )
