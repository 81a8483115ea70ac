"""The procedural world as a source of clips."""

from __future__ import annotations

from typing import ClassVar

from registry.vocabulary import Split
from tasks.datasets.source import ClipSource, CountReport
from tasks.synthetic import masks, questions, store
from tasks.synthetic.dataset import (
    QUESTIONS,
    SyntheticClips,
    SyntheticEvents,
    SyntheticMasks,
    SyntheticModalities,
    SyntheticPairs,
    SyntheticQuestions,
)
from tasks.synthetic.scene import CLASSES


class SyntheticSource(ClipSource):
    """Rendered clips, read from the cache; subclasses say what is asked about them."""

    version = store.VERSION
    segments = store.SEGMENTS
    seconds = float(store.SEGMENTS)
    items: ClassVar[type[SyntheticClips]]
    """The data set that adds what is asked."""

    def clips(self, split: Split) -> SyntheticClips:
        return self.items(split)

    def identity(self) -> str:
        return store.identity()

    def prepare(self, report: CountReport | None = None) -> None:
        store.prepare(self.items.kind, report)


class SyntheticEventSource(SyntheticSource):
    """Clips with one event each."""

    items = SyntheticEvents
    classes = tuple(CLASSES)


class SyntheticMaskSource(SyntheticSource):
    """Clips with masks of what is seen and heard."""

    items = SyntheticMasks
    classes = tuple(CLASSES)
    mask_side = store.FRAME_SIDE

    def identity(self) -> str:
        return f"{super().identity()}.masks{masks.VERSION}"


class SyntheticModalitySource(SyntheticSource):
    """Clips whose events are told by modality; training tells the clip's labels alone."""

    items = SyntheticModalities
    classes = tuple(CLASSES)


class SyntheticPairSource(SyntheticSource):
    """Clips of several things."""

    items = SyntheticPairs


class SyntheticQuestionSource(SyntheticSource):
    """Clips of several things, and questions about them."""

    items = SyntheticQuestions
    question_shape = (QUESTIONS, questions.LONGEST)
    answers = tuple(questions.ANSWERS)

    def __init__(self) -> None:
        self.words = tuple(questions.words())
