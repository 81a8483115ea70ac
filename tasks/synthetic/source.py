"""The procedural world as a source of clips."""

from __future__ import annotations

from registry.vocabulary import Split
from tasks.datasets.source import Report, Source
from tasks.synthetic import store
from tasks.synthetic.dataset import SyntheticClips


class SyntheticSource(Source):
    """Rendered clips, read from the cache.

    Args:
        clips: the data set that adds what the task asks.
    """

    segments = store.SEGMENTS

    def __init__(self, clips: type[SyntheticClips]) -> None:
        self._clips = clips

    def clips(self, split: Split) -> SyntheticClips:
        return self._clips(split)

    def identity(self) -> str:
        return store.identity()

    def prepare(self, report: Report | None = None) -> None:
        store.prepare(self._clips.kind, report)
