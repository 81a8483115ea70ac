"""VGGSound for retrieval, in the list format of CAV-MAE: `{"data": [{"video_id", "wav", "video_path", "labels"}]}`, or
in its own `vggsound.csv`, whose lines are YouTube id, first second, label and `train` or `test`.

The retrieval test list, `vgg_test_5_per_class_for_retrieval*.json`, has 1,545 clips: five of each of 309 classes.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from registry.errors import DataError
from registry.files import user_path
from registry.vocabulary import Split
from tasks.datasets.annotations import VGGSOUND_TABLE, digest, read_text
from tasks.datasets.source import CountReport, FolderSource, keep_present
from tasks.media.library import find_data_root
from tasks.media.recording import Recording

SECONDS = 10
_RETRIEVAL = ("retrieval",)
_WORDS: dict[Split, tuple[tuple[str, ...], ...]] = {
    "train": (("train",),),
    "validation": (("val", "validation"),),
    "test": (_RETRIEVAL, ("test",)),
}
"""Words that lists have in their names; the first group that any list has is taken."""
_HELD_OUT_SHARE, _HELD_OUT_MOST = 0.1, 5


@dataclass(frozen=True)
class Entry:
    """A clip of a list. Its media are found by id; `wav` and `video_path` name places on the list writer's machine."""

    clip: str
    label: str


class VggSoundFolder(FolderSource):
    """Lists and clips under a folder, beside the media (see `MediaFolder`).

    The list with the word `train` in its name is training, `val` validation, `retrieval` (else `test`) test. Without
    one for validation, it is held out of training: a tenth of each class, at least one and at most five clips, those
    with the smallest sha256 of their id. A clip of a later split is no training clip. What no list names comes from
    `vggsound.csv`, whose media are called `<YouTube id>_<first second in six digits>` or by the YouTube id alone.

    Args:
        data: the folder, or one that has it as `vggsound`.
        side: frames are fitted to this many pixels, squared.
        allow_missing: leave out clips whose media are missing, see `left_out`.

    Raises:
        DataError: a list that is missing, ambiguous or malformed.
    """

    version = 1
    seconds = float(SECONDS)

    def __init__(self, data: str | Path, side: int = 224, allow_missing: bool = False) -> None:
        place = user_path(data)
        self.root, self.side = find_data_root(place.parent if place.name == VGGSOUND_TABLE else place, "vggsound"), side
        self._lists: list[str] = []
        train, validation, test = self._needed("train"), self._read("validation"), self._needed("test")
        tested = {entry.clip for entry in test}
        train = [entry for entry in train if entry.clip not in tested]
        validation = _held_out(train) if validation is None else validation
        validated = {entry.clip for entry in validation}
        train = [entry for entry in train if entry.clip not in validated]
        self._entries: dict[Split, list[Entry]] = {"train": train, "validation": validation, "test": test}
        for split, entries in self._entries.items():
            if not entries:
                raise DataError(f"the lists of {self.root} leave no clip for {split}.")
        self.classes = tuple(sorted({entry.label for entries in self._entries.values() for entry in entries}))
        if allow_missing:
            missing = set(self.media.missing(entry.clip for entries in self._entries.values() for entry in entries))
            self._entries, self.left_out = keep_present(self._entries, lambda entry: entry.clip, missing)

    def entries(self, split: Split) -> list[Entry]:
        """The clips of a split, in the order of its list."""
        return self._entries[split]

    def clips(self, split: Split) -> VggSoundClips:
        return VggSoundClips(self, self.entries(split))

    def recordings(self) -> dict[Split, list[Recording]]:
        return {
            split: [self.media.find(entry.clip, SECONDS) for entry in entries]
            for split, entries in self._entries.items()
        }

    def annotation_files(self) -> dict[str, Path]:
        return {name: self.root / name for name in self._lists}

    def identity(self) -> str:
        """`vggsound@<hash of the clips of each split>`."""
        return f"vggsound@{digest(self._entries.items())}{self.partial}{self.media.suffix}"

    def prepare(self, report: CountReport | None = None) -> None:
        self.media.require(entry.clip for entries in self._entries.values() for entry in entries)

    def _needed(self, split: Split) -> list[Entry]:
        entries = self._read(split)
        if entries is None:
            word = _WORDS[split][0][0]
            raise DataError(
                f"{self.root} has no list for {split}, a .json file with the word {word!r} in its name, and no "
                f"{VGGSOUND_TABLE}."
            )
        return entries

    def _read(self, split: Split) -> list[Entry] | None:
        """None without a list; of a test list for retrieval and another one, that for retrieval."""
        names = sorted(path.name for path in self.root.glob("*.json"))
        for words in _WORDS[split]:
            # As a word of its own: "retrieval" holds "val".
            found = [name for name in names if not set(words).isdisjoint(re.split("[^a-z]+", name.lower()))]
            if len(found) > 1:
                raise DataError(
                    f"{self.root} has several lists for {split}: {', '.join(found[:5])}; leave one of them."
                )
            if found:
                self._lists.append(found[0])
                if words == _RETRIEVAL:
                    self.official = {"test": 1545}
                return parse_list(read_text(self.root, found[0], ()), found[0])
        return self._from_table(split)

    def _from_table(self, split: Split) -> list[Entry] | None:
        if split == "validation" or not (self.root / VGGSOUND_TABLE).is_file():
            return None
        if VGGSOUND_TABLE not in self._lists:
            self._lists.append(VGGSOUND_TABLE)
        found = []
        for (youtube_id, start, label), of in parse_table(read_text(self.root, VGGSOUND_TABLE, ())):
            if of == split:
                clip = f"{youtube_id}_{start:06d}"
                is_short = not self.media.find(clip).present and self.media.find(youtube_id).present
                found.append(Entry(youtube_id if is_short else clip, label))
        return found


class VggSoundClips(Dataset[dict[str, dict[str, Any]]]):
    """Clips decoded on demand.

    Inputs: `frames` (10, 3, side, side) uint8, `waveform` (10, 16000) float32. Targets: `category` int, `id` str.
    """

    def __init__(self, folder: VggSoundFolder, entries: list[Entry]) -> None:
        self.folder, self._entries = folder, entries
        folder.media.require(entry.clip for entry in entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> dict[str, dict[str, Any]]:
        entry, folder = self._entries[index], self.folder
        clip = folder.media.read(entry.clip, folder.segments, seconds=SECONDS, size=folder.side)
        return {"inputs": clip.inputs(), "targets": {"category": folder.classes.index(entry.label), "id": entry.clip}}


def parse_list(text: str, name: str) -> list[Entry]:
    """Read a list.

    Raises:
        DataError: not of that format, naming file and entry; an id that occurs twice.
    """
    try:
        rows = json.loads(text)["data"]
    except (ValueError, RecursionError, KeyError, TypeError):
        rows = None
    if not isinstance(rows, list) or not rows:
        raise DataError(f'list {name} is not of the form {{"data": [{{"video_id": …, "labels": …}}, …]}}.')
    entries = [_parse(row, f"list {name} entry {i}") for i, row in enumerate(rows)]
    seen: set[str] = set()
    for i, entry in enumerate(entries):
        if entry.clip in seen:
            raise DataError(f"list {name} entry {i} repeats video_id {entry.clip!r}.")
        seen.add(entry.clip)
    return entries


def parse_table(text: str) -> list[tuple[tuple[str, int, str], str]]:
    """((YouTube id, first second, label), split) of each line of `vggsound.csv`.

    Raises:
        DataError: not of that format, naming the line; a clip that occurs twice.
    """
    rows, seen = [], set()
    for line, fields in enumerate(csv.reader(io.StringIO(text, newline="")), start=1):
        fields = [field.strip() for field in fields]
        if not any(fields):
            continue
        if len(fields) != 4 or not fields[1].isdecimal() or not fields[2] or fields[3] not in ("train", "test"):
            raise DataError(
                f"{VGGSOUND_TABLE} line {line} is {','.join(fields)[:60]!r}, expected id,seconds,label,train or test."
            )
        if (fields[0], fields[1]) in seen:
            raise DataError(f"{VGGSOUND_TABLE} line {line} repeats the clip {fields[0]!r} at second {fields[1]}.")
        seen.add((fields[0], fields[1]))
        rows.append(((fields[0], int(fields[1]), fields[2]), fields[3]))
    return rows


def _parse(row: Any, where: str) -> Entry:
    clip, label = (row.get("video_id"), row.get("labels")) if isinstance(row, dict) else (None, None)
    if not isinstance(clip, str) or not isinstance(label, str) or not clip or not label:
        raise DataError(f"{where} has no video_id and labels in text.")
    return Entry(clip, label)


def _held_out(train: list[Entry]) -> list[Entry]:
    by_label: dict[str, list[Entry]] = {}
    for entry in train:
        by_label.setdefault(entry.label, []).append(entry)
    chosen = set()
    for entries in by_label.values():
        count = min(math.ceil(_HELD_OUT_SHARE * len(entries)), _HELD_OUT_MOST) if len(entries) > 1 else 0
        entries.sort(key=lambda entry: hashlib.sha256(entry.clip.encode()).hexdigest())
        chosen |= {entry.clip for entry in entries[:count]}
    return [entry for entry in train if entry.clip in chosen]
