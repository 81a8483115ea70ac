"""Events by modality in videos of the user's own: a manifest with a column `modality`.

Rows that share an id are one clip, as in `tasks.datasets.manifest_events`. A row without a label says which seconds of
the file are the clip. In validation and test, `modality` says of each event whether it is heard (`audio`), seen
(`visual`) or both (`both`), in the file's seconds [start, end). In training labels alone count, whatever else is said.

    id,path,start,end,split,label,modality
    yard,videos/yard.mp4,20,30,train,,
    yard,videos/yard.mp4,,,train,dog,
    street,videos/street.mp4,0,4,test,car,both
    street,videos/street.mp4,2,,test,dog,audio
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from registry.errors import DataError, unknown
from registry.vocabulary import MODALITIES, Modality, Split
from tasks.datasets.manifest_events import EventClip, ManifestEventClips, ManifestEvents

BOTH = "both"


class ManifestByModality(ManifestEvents):
    """Clips with labelled spans of what is heard and what is seen; spans of several labels may overlap.

    Raises:
        UserError: see `ManifestEvents`; or an event beyond training whose modality is none.
    """

    def clips(self, split: Split) -> ManifestModalityClips:
        self._require()
        self.manifest.of(split)
        return ManifestModalityClips(self, [clip for clip in self._clips if clip.span.split == split])

    def identity(self) -> str:
        said = [event.modality for clip in self._clips for event in clip.events if event.split != "train"]
        return self.manifest.identity("modalities", self.segments, *said) + self.partial

    def clip_labels(self, clip: EventClip) -> Tensor:
        """Which classes a clip has: -> (C,) float32."""
        known = {event.label for event in clip.events}
        return torch.tensor([float(name in known) for name in self.classes])

    def events(self, clip: EventClip, modality: Modality) -> Tensor:
        """Where each class is on, by the middles of segments: -> (C, T) uint8."""
        on = torch.zeros(len(self.classes), self.segments, dtype=torch.uint8)
        for event in clip.events:
            if event.modality in (modality, BOTH):
                held = [clip.holds(event, middle) for middle in clip.middles(self.segments)]
                on[self.classes.index(event.label)] |= torch.tensor(held, dtype=torch.uint8)
        return on

    def _check(self, clip: EventClip) -> None:
        if not clip.events:
            raise DataError(f"{self.manifest.where(clip.span)}: clip {clip.span.id!r} has no event.")
        for event in clip.events if clip.span.split != "train" else ():
            if event.modality not in (*MODALITIES, BOTH):
                where = self.manifest.where(event)
                raise DataError(f"{where}: {unknown('modality', event.modality, (*MODALITIES, BOTH))}")
            self._reached(clip, event)


class ManifestModalityClips(ManifestEventClips):
    """Clips decoded on demand.

    Targets: `labels` (C,) float32, `id` str and, beyond training, `audio` and `visual` (C, T) uint8.
    """

    source: ManifestByModality

    def targets(self, clip: EventClip) -> dict[str, Any]:
        targets: dict[str, Any] = {"labels": self.source.clip_labels(clip), "id": clip.span.id}
        if clip.span.split != "train":
            targets |= {m: self.source.events(clip, m) for m in MODALITIES}
        return targets
