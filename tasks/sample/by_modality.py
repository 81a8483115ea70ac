"""Annotations of synthetic clips whose events are told by modality: LLP's tables, and a manifest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from registry.vocabulary import Modality
from tasks.datasets.annotations import MANIFEST
from tasks.datasets.by_modality.llp import EVENT_FILES, SPLIT_FILES
from tasks.media.files import write_text
from tasks.sample.masks import write_table
from tasks.synthetic.scene import CLASSES, Scene

if TYPE_CHECKING:
    from tasks.sample.layouts import SampleClip


def write_llp(root: Path, clips: Sequence[SampleClip]) -> None:
    """A table of labelled clips for each split, and one of events for each modality, of validation and test."""
    for split, name in SPLIT_FILES.items():
        rows = [
            [_name(clip), ",".join(CLASSES[i] for i in labels_of(clip.scene))] for clip in clips if clip.split == split
        ]
        _write_tabs(root / name, ["filename", "event_labels"], rows)
    for modality, name in EVENT_FILES.items():
        events = [
            [_name(clip), start, end, label]
            for clip in clips
            if clip.split != "train"
            for heard_or_seen, label, start, end in _events(clip.scene)
            if heard_or_seen == modality
        ]
        _write_tabs(root / name, ["filename", "onset", "offset", "event_labels"], events)


def write_manifest_by_modality(root: Path, clips: Sequence[SampleClip]) -> None:
    """manifest.csv: of training the labels of each clip, beyond it its events with modality and seconds."""
    rows: list[list[object]] = []
    for clip in clips:
        path = f"videos/{clip.name}.mp4"
        rows.append([clip.name, path, 0, clip.scene.segments, clip.split, "", ""])
        if clip.split == "train":
            rows += [[clip.name, path, "", "", clip.split, CLASSES[i], ""] for i in labels_of(clip.scene)]
        else:
            rows += [
                [clip.name, path, start, end, clip.split, label, m] for m, label, start, end in _events(clip.scene)
            ]
    write_table(root / MANIFEST, ["id", "path", "start", "end", "split", "label", "modality"], rows)


def labels_of(scene: Scene) -> list[int]:
    """The classes of everything that is heard or seen in a scene."""
    return sorted({thing.category for thing in scene.things})


def _events(scene: Scene) -> Iterator[tuple[Modality, str, int, int]]:
    for thing in scene.things:
        if thing.heard:
            yield "audio", CLASSES[thing.category], *thing.heard
        if thing.seen:
            yield "visual", CLASSES[thing.category], *thing.seen


def _name(clip: SampleClip) -> str:
    """As LLP names clips: the video's id and the seconds of it."""
    return f"{clip.name}_0_{clip.scene.segments}"


def _write_tabs(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    write_text(path, "".join("\t".join(map(str, row)) + "\n" for row in [header, *rows]))
