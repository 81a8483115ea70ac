"""AVE on disk: clips of ten seconds with one event, visible and audible in a span of whole seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch.utils.data import Dataset

from registry.errors import DataError, unknown
from registry.vocabulary import SPLITS, Split
from tasks.datasets.annotations import digest, find_file, read_text, unique_names
from tasks.datasets.ave_orders import read_order
from tasks.datasets.source import SEGMENTS, CountReport, FolderSource, keep_present
from tasks.media.library import find_data_root
from tasks.media.recording import Recording
from tasks.media.sampling import find_sampling

SECONDS = 10
"""Length of a clip; its segments last a second each."""
ANNOTATIONS = "Annotations.txt"
SPLIT_FILES: dict[Split, str] = {"train": "trainSet.txt", "validation": "valSet.txt", "test": "testSet.txt"}
ORDER_FILES: dict[Split, str] = {"train": "train_order.h5", "validation": "val_order.h5", "test": "test_order.h5"}
_FOLDERS = ("data",)
BACKGROUND = "background"
"""The class of seconds without an event, and the category of clips without one."""
_BACKGROUND_LIST = "backgroundSet.txt"
_BACKGROUND_CLIPS = 178
"""In the published training set of weak supervision, as features without ids (`labels_noisy.h5`)."""
SPLITTINGS = ("official", "dedup")
"""As published, with ids that occur in several splits; or without, see `AveFolder`."""


@dataclass(frozen=True)
class Annotation:
    """One line: the event's category, the clip, and the seconds [start, end) in which the event is seen and heard."""

    category: str
    clip: str
    start: int
    end: int

    def labels(self, category: int, background: int) -> torch.Tensor:
        """The class of each second: -> (10,) int64."""
        labels = torch.full((SEGMENTS,), background)
        labels[self.start : self.end] = category
        return labels


class AveFolder(FolderSource):
    """The annotations of an AVE folder, and data sets over its clips.

    The folder holds Annotations.txt (with or without its header line) and the splits, beside the media (see
    `MediaFolder`). Splits are trainSet.txt, valSet.txt and testSet.txt, or else train_order.h5, val_order.h5 and
    test_order.h5, lists of line numbers.

    Args:
        data: the folder, or one that has it as `ave`.
        side: frames are fitted to this many pixels, squared.
        split: `official`, or `dedup`: validation loses the clips that test has, and training those that either has.
            The test split is the same in both.
        sampling: `middle`, or `published`: the papers' moments.
        background: training also has the clips without an event that backgroundSet.txt lists, an id a line, as weak
            supervision on AVE has 178.
        allow_missing: leave out clips whose media are missing, see `left_out`.

    Raises:
        DataError: an annotation file that is missing or cannot be read as one.
    """

    version = 1
    seconds = float(SECONDS)
    official: Mapping[Split, int] = MappingProxyType({"train": 3339, "validation": 402, "test": 402})

    def __init__(
        self,
        data: str | Path,
        side: int = 224,
        split: str = "official",
        sampling: str = "middle",
        background: bool = False,
        allow_missing: bool = False,
    ) -> None:
        if split not in SPLITTINGS:
            raise unknown("split of AVE", str(split), SPLITTINGS)
        self.sampling = find_sampling(sampling, published_window=1.0)
        self.root = find_data_root(data, "ave")
        self.side, self.split = side, split
        self._everything = parse_annotations(read_text(self.root, ANNOTATIONS, _FOLDERS), ANNOTATIONS)
        self.classes = tuple(dict.fromkeys(row.category for row in self._everything))
        """Categories in order of first appearance; background is the class after the last one."""
        self._rows = self._read_splits()
        if split == "dedup":
            self._rows = {name: self._without_later(name) for name in SPLITS}
        if background:
            self._rows["train"] = [*self._rows["train"], *self._read_background()]
            self.official = {**self.official, "train": self.official["train"] + _BACKGROUND_CLIPS}
        if allow_missing:
            missing = set(self.media.missing(row.clip for rows in self._rows.values() for row in rows))
            self._rows, self.left_out = keep_present(self._rows, lambda row: row.clip, missing)

    def annotations(self, split: Split) -> list[Annotation]:
        """The rows of a split, in the order of its file."""
        return self._rows[split]

    def clips(self, split: Split) -> AveClips:
        """Every clip of a split.

        Raises:
            DataError: clips whose media are not there.
        """
        return AveClips(self, self.annotations(split))

    def prepare(self, report: CountReport | None = None) -> None:
        """Look for the media of all splits.

        Raises:
            DataError: clips whose media are not there.
        """
        self.media.require(row.clip for rows in self._rows.values() for row in rows)

    def recordings(self) -> dict[Split, list[Recording]]:
        return {split: [self.media.find(row.clip, SECONDS) for row in rows] for split, rows in self._rows.items()}

    def annotation_files(self) -> dict[str, Path]:
        names = (ANNOTATIONS, *SPLIT_FILES.values(), *ORDER_FILES.values(), _BACKGROUND_LIST)
        found = [path for name in names if (path := find_file(self.root, name, _FOLDERS))]
        return {str(path.relative_to(self.root)): path for path in found}

    def identity(self) -> str:
        """`ave@<hash of what the annotations say>`: a header line, line ends or index lists make no difference."""
        name = "ave" if self.split == "official" else f"ave-{self.split}"
        how = f"{self.sampling.suffix}{self.partial}{self.media.suffix}"
        return f"{name}@{digest([self.classes, *self._rows.items()])}{how}"

    def _read_splits(self) -> dict[Split, list[Annotation]]:
        """From the split files; from index lists where there is none of those."""
        orders = {split: find_file(self.root, name, _FOLDERS) for split, name in ORDER_FILES.items()}
        listed = any(find_file(self.root, name, _FOLDERS) for name in SPLIT_FILES.values())
        if listed or not all(orders.values()):
            return {split: self._read_split(name) for split, name in SPLIT_FILES.items()}
        numbers = {split: read_order(path, len(self._everything)) for split, path in orders.items() if path}
        repeated = {i for i, n in Counter(i for order in numbers.values() for i in order).items() if n > 1}
        if repeated:
            raise DataError(
                f"the index lists of {self.root} have line {min(repeated)} of {ANNOTATIONS} more than once."
            )
        return {split: [self._everything[i] for i in order] for split, order in numbers.items()}

    def _without_later(self, split: Split) -> list[Annotation]:
        """The rows of a split whose clip no later split has."""
        later = {row.clip for other in SPLITS[SPLITS.index(split) + 1 :] for row in self._rows[other]}
        return [row for row in self._rows[split] if row.clip not in later]

    def _read_split(self, name: str) -> list[Annotation]:
        hint = f", and so is one of {', '.join(ORDER_FILES.values())}"
        rows = parse_annotations(read_text(self.root, name, _FOLDERS, hint), name)
        strangers = sorted({row.category for row in rows} - set(self.classes))
        if strangers:
            raise DataError(f"{name} of {self.root} has category {strangers[0]!r}, which {ANNOTATIONS} has not.")
        return rows

    def _read_background(self) -> list[Annotation]:
        """Clips without an event: one id a line."""
        text = read_text(self.root, _BACKGROUND_LIST, _FOLDERS, "; it lists clips without an event, one id a line")
        clips = [line.strip() for line in text.splitlines() if line.strip()]
        known = {row.clip for rows in self._rows.values() for row in rows}
        for clip in clips:
            if clip in known:
                raise DataError(f"{_BACKGROUND_LIST} of {self.root} has clip {clip}, which is listed already.")
            known.add(clip)
        if not clips:
            raise DataError(f"{_BACKGROUND_LIST} of {self.root} has no clips.")
        return [Annotation(BACKGROUND, clip, 0, 0) for clip in clips]


class AvePairs(AveFolder):
    """AVE for retrieval: each clip once, and none that an earlier split has (AVE repeats some)."""

    def clips(self, split: Split) -> AveClips:
        earlier = SPLITS[: SPLITS.index(split)]
        known = {row.clip for other in earlier for row in self.annotations(other)}
        first = {row.clip: row for row in reversed(self.annotations(split)) if row.clip not in known}
        return AveClips(self, [row for row in self.annotations(split) if first.get(row.clip) is row])


class AveClips(Dataset[dict[str, dict[str, Any]]]):
    """Clips decoded on demand.

    Inputs: `frames` (10, 3, side, side) uint8, `waveform` (10, 16000) float32. Targets: `labels` (10,) int64, the class
    of each second; `category` int, the event's class (of clips without one, background); `id` str, unique in the split.
    """

    def __init__(self, folder: AveFolder, rows: list[Annotation]) -> None:
        self.folder, self.rows = folder, rows
        self.ids = unique_names(row.clip for row in rows)
        folder.media.require(row.clip for row in rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, dict[str, Any]]:
        row, classes = self.rows[index], (*self.folder.classes, BACKGROUND)
        category = classes.index(row.category)
        clip = self.folder.media.read(
            row.clip, SEGMENTS, seconds=SECONDS, size=self.folder.side, sampling=self.folder.sampling
        )
        labels = row.labels(category, background=len(classes) - 1)
        return {"inputs": clip.inputs(), "targets": {"labels": labels, "category": category, "id": self.ids[index]}}


def parse_annotations(text: str, name: str) -> list[Annotation]:
    """Read lines `category&clip&quality&start&end`, with or without a header line.

    Raises:
        DataError: a line of another form, naming file and line; or no line at all.
    """
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split("&")
        if number == 1 and fields[1:2] == ["VideoID"]:
            continue
        if line.strip():
            rows.append(_parse(fields, f"{name} line {number}"))
    if not rows:
        raise DataError(f"annotation file {name} has no clips.")
    return rows


def _parse(fields: list[str], where: str) -> Annotation:
    try:
        category, clip, _, start, end = fields
        row = Annotation(category, clip, int(start), int(end))
    except ValueError:
        row = None
    if row is None or not 0 <= row.start <= row.end <= SECONDS:
        form = f"category&clip&quality&start&end with 0 <= start <= end <= {SECONDS}"
        raise DataError(f"{where} is {'&'.join(fields)[:80]!r}, expected {form}.")
    return row
