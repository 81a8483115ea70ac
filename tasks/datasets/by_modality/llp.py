"""LLP on disk ("Look, Listen and Parse"): clips of ten seconds, whose events are told by modality beyond training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from registry.errors import DataError, unknown
from registry.vocabulary import Modality, Split
from tasks.datasets.annotations import digest, find_file, read_text
from tasks.datasets.source import SEGMENTS, CountReport, FolderSource, keep_present
from tasks.datasets.table_text import read_rows
from tasks.media.library import find_data_root
from tasks.media.recording import Recording

SECONDS = 10
"""Length of a clip; its segments last a second each."""
SPLIT_FILES: dict[Split, str] = {
    "train": "AVVP_train.csv", "validation": "AVVP_val_pd.csv", "test": "AVVP_test_pd.csv"
}  # fmt: skip
EVENT_FILES: dict[Modality, str] = {"audio": "AVVP_eval_audio.csv", "visual": "AVVP_eval_visual.csv"}
_FOLDERS = ("data",)
_ID = 11
"""Characters of a video's id, with which a clip's name begins."""
CLASSES = (
    "Speech", "Car", "Cheering", "Dog", "Cat", "Frying_(food)", "Basketball_bounce", "Fire_alarm", "Chainsaw", "Cello",
    "Banjo", "Singing", "Chicken_rooster", "Violin_fiddle", "Vacuum_cleaner", "Baby_laughter", "Accordion",
    "Lawn_mower", "Motorcycle", "Helicopter", "Acoustic_guitar", "Telephone_bell_ringing", "Baby_cry_infant_cry",
    "Blender", "Clapping",
)  # fmt: skip
"""By number, as published."""


@dataclass(frozen=True)
class LabelledClip:
    """A line of a split's table: a clip, and what occurs in it, heard or seen."""

    name: str
    """Unique: the video's id and the seconds of it."""
    labels: tuple[str, ...]

    @property
    def media(self) -> str:
        """What its files are called."""
        return self.name[:_ID]


@dataclass(frozen=True)
class Event:
    """A line of a modality's table: a class is on in the seconds [onset, offset) of a clip."""

    clip: str
    onset: int
    offset: int
    label: str


class LlpFolder(FolderSource):
    """The tables of an LLP folder, and data sets over its clips.

    The folder, or `data` in it, holds AVVP_train.csv, AVVP_val_pd.csv and AVVP_test_pd.csv (filename, event_labels),
    AVVP_eval_audio.csv and AVVP_eval_visual.csv (filename, onset, offset, event_labels); media are named by the video's
    id, see `MediaFolder`. Of the tables of events, rows of clips in no list are left out, and overlapping rows of one
    class are one event. Two versions of the audio table are in use; the identity tells them apart.

    Args:
        data: the folder, or one that has it as `llp`.
        allow_missing: leave out clips whose media are missing, see `left_out`.
        side: frames are fitted to this many pixels, squared.

    Raises:
        DataError: a table that is missing or cannot be read as one.
    """

    version = 1
    seconds = float(SECONDS)
    official: Mapping[Split, int] = MappingProxyType({"train": 10_000, "validation": 649, "test": 1_200})

    def __init__(self, data: str | Path, allow_missing: bool = False, side: int = 224) -> None:
        self.root, self.side = find_data_root(data, "llp"), side
        self._rows = {split: parse_clips(self._text(name), name) for split, name in SPLIT_FILES.items()}
        labels = dict.fromkeys(label for rows in self._rows.values() for row in rows for label in row.labels)
        self.classes = CLASSES if set(labels) <= set(CLASSES) else tuple(labels)
        """As published; where the lists have others, in order of first appearance."""
        self._check_clips()
        self._events = {m: self._read_events(name) for m, name in EVENT_FILES.items()}
        if allow_missing:
            missing = set(self.media.missing(row.media for rows in self._rows.values() for row in rows))
            self._rows, self.left_out = keep_present(self._rows, lambda row: row.media, missing)

    def rows(self, split: Split) -> list[LabelledClip]:
        """The clips of a split, in the order of its table."""
        return self._rows[split]

    def events(self, clip: str, modality: Modality) -> Tensor:
        """Where each class is on: -> (C, 10) uint8."""
        on = torch.zeros(len(self.classes), SEGMENTS, dtype=torch.uint8)
        for event in self._events[modality].get(clip, ()):
            on[self.classes.index(event.label), event.onset : event.offset] = 1
        return on

    def clips(self, split: Split) -> LlpClips:
        return LlpClips(self, split)

    def prepare(self, report: CountReport | None = None) -> None:
        self.media.require(row.media for rows in self._rows.values() for row in rows)

    def recordings(self) -> dict[Split, list[Recording]]:
        return {split: [self.media.find(row.media, SECONDS) for row in rows] for split, rows in self._rows.items()}

    def annotation_files(self) -> dict[str, Path]:
        found = [find_file(self.root, name, _FOLDERS) for name in (*SPLIT_FILES.values(), *EVENT_FILES.values())]
        return {str(path.relative_to(self.root)): path for path in found if path}

    def identity(self) -> str:
        """`llp@<digest>` of what the tables say about the clips of the lists."""
        events = [(m, [e for own in of.values() for e in own]) for m, of in self._events.items()]
        return f"llp@{digest([self.classes, *self._rows.items(), *events])}{self.partial}{self.media.suffix}"

    def _text(self, name: str) -> str:
        return read_text(self.root, name, _FOLDERS)

    def _check_clips(self) -> None:
        first: dict[str, str] = {}
        for split, rows in self._rows.items():
            for row in rows:
                if row.name in first:
                    raise DataError(
                        f"{SPLIT_FILES[split]} of {self.root} has clip {row.name}, which {first[row.name]} has already."
                    )
                first[row.name] = SPLIT_FILES[split]

    def _read_events(self, name: str) -> dict[str, list[Event]]:
        """By clip; rows of clips that are in no list have none."""
        listed = {row.name for rows in self._rows.values() for row in rows}
        events: dict[str, list[Event]] = {}
        for line, event in parse_events(self._text(name), name):
            if event.clip not in listed:
                continue
            if event.label not in self.classes:
                raise DataError(f"{name} line {line}: {unknown('label', event.label, self.classes)}")
            events.setdefault(event.clip, []).append(event)
        return events


class LlpClips(Dataset[dict[str, dict[str, Any]]]):
    """Clips decoded on demand.

    Inputs: `frames` (10, 3, side, side) uint8, `waveform` (10, 16000) float32. Targets: `labels` (C,) float32, `id` str
    and, beyond training, `audio` and `visual` (C, 10) uint8.
    """

    def __init__(self, folder: LlpFolder, split: Split) -> None:
        self.folder, self.split, self.rows = folder, split, folder.rows(split)
        folder.media.require(row.media for row in self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, dict[str, Any]]:
        row, folder = self.rows[index], self.folder
        clip = folder.media.read(row.media, SEGMENTS, seconds=SECONDS, size=folder.side)
        labels = torch.tensor([float(name in row.labels) for name in folder.classes])
        targets: dict[str, Any] = {"labels": labels, "id": row.name}
        if self.split != "train":
            targets |= {m: folder.events(row.name, m) for m in EVENT_FILES}
        return {"inputs": clip.inputs(), "targets": targets}


def parse_clips(text: str, name: str) -> list[LabelledClip]:
    """Read a split's table, tab-separated behind a header: filename, event_labels with commas between them.

    Raises:
        DataError: a line of another form, naming file and line; or no line at all.
    """
    rows = []
    for line, (clip, said) in _lines(text, name, ("filename", "event_labels")):
        labels = tuple(dict.fromkeys(label.strip() for label in said.split(",") if label.strip()))
        if not labels:
            raise DataError(f"{name} line {line}: clip {clip} has no label.")
        rows.append(LabelledClip(clip, labels))
    if not rows:
        raise DataError(f"annotation file {name} has no clips.")
    return rows


def parse_events(text: str, name: str) -> list[tuple[int, Event]]:
    """Read a modality's table with the numbers of its lines: filename, onset, offset, event_labels, one a line.

    Seconds beyond the clip are cut off; an event whose onset is its offset is never on.

    Raises:
        DataError: a line of another form, naming file and line.
    """
    events = []
    for line, (clip, onset, offset, label) in _lines(text, name, ("filename", "onset", "offset", "event_labels")):
        try:
            first, last = int(onset), int(offset)
        except ValueError:
            first, last = 1, 0
        if not 0 <= first <= last:
            raise DataError(
                f"{name} line {line} has onset {onset[:20]!r} and offset {offset[:20]!r}, expected whole seconds with "
                f"0 <= onset <= offset <= {SECONDS}."
            )
        events.append((line, Event(clip, min(first, SECONDS), min(last, SECONDS), label)))
    return events


def _lines(text: str, name: str, columns: Sequence[str]) -> list[tuple[int, list[str]]]:
    """The fields of these columns, by line."""
    lines = read_rows(text, Path(name), columns)
    _, header = next(lines, (1, []))
    if lacking := next((column for column in columns if column not in header), None):
        raise DataError(f"{name} line 1 lacks column {lacking!r}: {' '.join(header)[:80]!r}.")
    found = []
    for line, fields in lines:
        if len(fields) != len(header):
            raise DataError(f"{name} line {line} has {len(fields)} fields, its header has {len(header)}.")
        found.append((line, [fields[header.index(column)] for column in columns]))
    return found
