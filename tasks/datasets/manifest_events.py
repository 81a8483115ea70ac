"""Events in videos of the user's own, from a manifest (see `tasks.datasets.manifest`).

Rows that share an id are one clip. A row with a label is an event: its label holds in the file's seconds [start, end).
A row without a label says which seconds of the file are the clip; without one, it is the first ten.

    id,path,start,end,split,label
    yard,videos/yard.mp4,20,30,train,
    yard,videos/yard.mp4,22,25,train,dog
    yard,videos/yard.mp4,28,30,train,car
    street,videos/street.mp4,0,4,train,car

A clip is cut into equal segments, and a segment has the label that holds at its middle, else background. Above, the
yard has a dog in segments 2 to 4 and a car in 8 and 9 (of ten, counted from 0); the street has a car in 0 to 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils.data import Dataset

from registry.errors import DataError, UserError
from registry.vocabulary import SPLITS, Split
from tasks.datasets.annotations import MANIFEST
from tasks.datasets.manifest import ManifestRow, classes_of, read_manifest
from tasks.datasets.source import SEGMENTS, ClipSource, CountReport, keep_present
from tasks.media.recording import Recording
from tasks.media.sampling import middles

SECONDS = 10.0
"""Of a clip whose rows do not say."""
SEVERAL = -100
"""The category of a clip with events of several kinds."""


@dataclass(frozen=True)
class EventClip:
    """A clip: the row that says its seconds, and its events."""

    span: ManifestRow
    events: tuple[ManifestRow, ...]

    @property
    def end(self) -> float:
        """Where the clip ends in its file, in seconds."""
        assert self.span.end is not None
        return self.span.end

    def middles(self, segments: int) -> list[float]:
        """The middle of each segment, in seconds of the file."""
        return [self.span.start + middle for middle in middles(self.end - self.span.start, segments)]

    def holds(self, event: ManifestRow, moment: float) -> bool:
        """Whether an event is on at a moment; one without an end lasts to the clip's."""
        return event.start <= moment < (self.end if event.end is None else event.end)

    def category(self, classes: tuple[str, ...]) -> int:
        """The class of the clip's events, that of background without any, `SEVERAL` where they differ."""
        kinds = {event.label for event in self.events}
        if len(kinds) > 1:
            return SEVERAL
        return classes.index(kinds.pop()) if kinds else len(classes)


class ManifestEvents(ClipSource):
    """Clips with labelled spans.

    Args:
        data: the manifest, or its folder.
        segments: T, that a clip is cut into; None is ten.
        allow_missing: leave out clips whose files are missing, see `left_out`.
        side: frames are fitted to this many pixels, squared.

    Raises:
        UserError: a manifest that cannot be read, or rows of one clip that do not fit together.
    """

    version = 1
    one_kind: ClassVar[bool] = False
    """Whether clips with events of several kinds are refused."""

    def __init__(
        self, data: str | Path, segments: int | None = None, allow_missing: bool = False, side: int = 224
    ) -> None:
        self.segments, self.side = SEGMENTS if segments is None else segments, side
        if self.segments < 1:
            raise UserError(f"segments={segments} must be at least 1.")
        self.manifest = read_manifest(data)
        self.classes = classes_of(self.manifest)
        by_id: dict[str, list[ManifestRow]] = {}
        for row in self.manifest.rows:
            by_id.setdefault(row.id, []).append(row)
        self._clips = [self._assemble(rows) for rows in by_id.values()]
        for clip in self._clips:
            self._check(clip)
        self.seconds = max(clip.end - clip.span.start for clip in self._clips)
        if allow_missing:
            self._leave_out_missing()

    @property
    def stored_side(self) -> int | None:
        return self.manifest.store.side if self.manifest.store else None

    def clips(self, split: Split) -> ManifestEventClips:
        self._require()
        self.manifest.of(split)
        return ManifestEventClips(self, [clip for clip in self._clips if clip.span.split == split])

    def recordings(self) -> dict[Split, list[Recording]]:
        of = self.manifest.recording
        return {split: [of(clip.span) for clip in self._clips if clip.span.split == split] for split in SPLITS}

    def overlap(self) -> dict[str, int]:
        return self.manifest.overlap(clip.span for clip in self._clips)

    @property
    def groups(self) -> Mapping[str, str]:
        return self.manifest.groups("test")

    def shared_groups(self) -> dict[str, int]:
        return self.manifest.shared_groups()

    def annotation_files(self) -> dict[str, Path]:
        return {MANIFEST: self.manifest.file}

    def identity(self) -> str:
        return self.manifest.identity("events", self.segments) + self.partial

    def prepare(self, report: CountReport | None = None) -> None:
        self._require()

    def labels(self, clip: EventClip) -> Tensor:
        """The class of each segment: -> (T,) int64.

        Raises:
            UserError: two labels for one segment, or an event that reaches the middle of none.
        """
        owners: list[ManifestRow | None] = [None] * self.segments
        for event in clip.events:
            for i in self._reached(clip, event):
                before, owners[i] = owners[i], event
                if before and before.label != event.label:
                    raise DataError(
                        f"{self.manifest.where(event)} and line {before.line} label one segment differently."
                    )
        background = len(self.classes)
        return torch.tensor([self.classes.index(row.label) if row else background for row in owners])

    def _check(self, clip: EventClip) -> None:
        """Look for what contradicts itself before any clip is decoded."""
        self.labels(clip)
        if self.one_kind and clip.category(self.classes) == SEVERAL:
            where = self.manifest.where(clip.events[-1])
            raise DataError(f"{where}: clip {clip.span.id!r} has several labels, supervision='weak' needs one.")

    def _reached(self, clip: EventClip, event: ManifestRow) -> list[int]:
        """The segments at whose middle an event is on; an event has one at least."""
        reached = [i for i, middle in enumerate(clip.middles(self.segments)) if clip.holds(event, middle)]
        if not reached:
            rule = "a segment has the label that holds at its middle"
            raise DataError(f"{self.manifest.where(event)} reaches no segment of its clip; {rule}.")
        return reached

    def _require(self) -> None:
        self.manifest.require([clip.span for clip in self._clips])

    def _leave_out_missing(self) -> None:
        by_split = {split: [clip for clip in self._clips if clip.span.split == split] for split in SPLITS}
        missing = self.manifest.missing([clip.span for clip in self._clips])
        kept, self.left_out = keep_present(by_split, lambda clip: self.manifest.recording(clip.span).name, missing)
        self._clips = [clip for clips in kept.values() for clip in clips]

    def _assemble(self, rows: list[ManifestRow]) -> EventClip:
        first, spans = rows[0], [row for row in rows if not row.label]
        for row in rows[1:]:
            if (row.path, row.split) != (first.path, first.split):
                raise DataError(
                    f"{self.manifest.where(row)} has id {row.id!r} of line {first.line}, but another path or split."
                )
        if len(spans) > 1:
            raise DataError(
                f"{self.manifest.where(spans[1])} says the seconds of clip {first.id!r} again; once is enough."
            )
        if spans and spans[0].end is None:
            raise DataError(f"{self.manifest.where(spans[0])} has no end, which the seconds of a clip need.")
        span = spans[0] if spans else ManifestRow(first.id, first.path, 0.0, SECONDS, first.split, "", first.line)
        return EventClip(span, tuple(row for row in rows if row.label))


class ManifestEventsOfOneKind(ManifestEvents):
    """Clips whose events are of one kind each: the single label that weak supervision trains on."""

    one_kind = True


class ManifestEventClips(Dataset[dict[str, dict[str, Any]]]):
    """Clips decoded on demand.

    Inputs: `frames` (T, 3, side, side) uint8, `waveform` (T, 16000) float32. Targets: `labels` (T,) int64, `category`
    int, see `EventClip.category`; `id` str.
    """

    def __init__(self, source: ManifestEvents, clips: list[EventClip]) -> None:
        self.source, self._clips = source, clips

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> dict[str, dict[str, Any]]:
        clip, source = self._clips[index], self.source
        decoded = source.manifest.read(clip.span, source.segments, source.side)
        return {"inputs": decoded.inputs(), "targets": self.targets(clip)}

    def targets(self, clip: EventClip) -> dict[str, Any]:
        """What is known of a clip."""
        source = self.source
        return {"labels": source.labels(clip), "category": clip.category(source.classes), "id": clip.span.id}
