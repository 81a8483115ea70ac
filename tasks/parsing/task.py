"""Audio-visual video parsing: which events are heard, and which are seen, in each second (LLP, ECCV 2020)."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from registry.errors import unknown
from registry.registries import register_task
from registry.vocabulary import ItemScore, Prediction, Width
from tasks.datasets.open import open_source
from tasks.parsing.han import HanHead
from tasks.parsing.head import LinearParser, ParsingHead
from tasks.parsing.metrics import ClipScores, clip_scores, event_counts, segment_counts, split_scores
from tasks.recipe import HAN_AVVP, Recipe
from tasks.task import Evaluation, SourceTask

HEADS = {"linear": LinearParser, "han": HanHead}
ENCODINGS = ("together", "apart")


@register_task("parsing", version=1)
class Parsing(SourceTask):
    """Events by modality and second, learned from the labels of whole clips alone (weak supervision).

    data: `synthetic`, a folder with LLP's tables and videos, a manifest of your own whose column `modality` says which
    events are heard and which are seen, or `llp` (its sizes without files, for counting parameters). segments: of a
    manifest's clips (10). head: `linear`, or the published `han`. encode: both modalities `together`, where an adapter
    that exchanges may carry an event across, or `apart`. allow_missing: leave out clips whose media are missing, and
    say how many. resize: use a store that was prepared at another size than the backbone's.

    Scores are F-scores of clips, averaged. Of segments: `audio`, `visual`, `audio_visual`, their mean `type_at_av`, and
    `event_at_av`, which adds audio and visual counts; of events the same behind `event_level_`. For comparison
    `known_labels_type_at_av`: that of the clip's true labels in every segment, heard and seen.

    Raises:
        UserError: an option that is none of these.
    """

    primary_metric: ClassVar[str] = "type_at_av"
    head_options: ClassVar[frozenset[str]] = frozenset({"head", "encode"})
    published_recipe: ClassVar[Recipe] = HAN_AVVP

    def __init__(
        self,
        data: str = "synthetic",
        segments: int | None = None,
        head: str = "linear",
        encode: Literal["together", "apart"] = "together",
        allow_missing: bool = False,
        resize: bool = False,
    ) -> None:
        if head not in HEADS:
            raise unknown("head of parsing", str(head), HEADS)
        if encode not in ENCODINGS:
            raise unknown("encode of parsing", str(encode), ENCODINGS)
        self.head_kind, self.apart = head, encode == "apart"
        source = open_source(data, "events_by_modality", segments=segments, allow_missing=allow_missing)
        super().__init__(data, source, resize)
        self.classes = source.classes
        self.labels = tuple(f"{sense}: {name}" for sense in ("heard", "seen") for name in self.classes)

    def head(self, dim: Width) -> ParsingHead:
        return HEADS[self.head_kind](dim, len(self.classes), self.apart)

    def evaluate(self, predictions: list[Prediction]) -> Evaluation:
        by_segment = [clip_scores(segment_counts, p["predicted"], p["truth"]) for p in predictions]
        by_event = [clip_scores(event_counts, p["predicted"], p["truth"]) for p in predictions]
        scores = split_scores(by_segment)
        scores |= {f"event_level_{name}": value for name, value in split_scores(by_event).items()}
        known = [_of_known_labels(p["labels"], p["truth"]) for p in predictions]
        scores["known_labels_type_at_av"] = split_scores(known)["type_at_av"]
        items = [
            ItemScore(p["id"], clip.type_at_av, _counted(int(p["labels"].sum())))
            for p, clip in zip(predictions, by_segment, strict=True)
        ]
        return Evaluation(scores, items)


def _of_known_labels(labels: np.ndarray, truth: np.ndarray) -> ClipScores:
    """Of the clip's labels (C,), heard and seen all the time, against its events (2, C, T)."""
    always = np.broadcast_to(labels[:, None], truth[0].shape)
    return clip_scores(segment_counts, (always, always), truth)


def _counted(labels: int) -> str:
    return f"{labels} label{'' if labels == 1 else 's'}"
