"""A table of the user's own videos: a CSV file with columns id, path, start, end, split and, if wanted, label, group.

    id,path,start,end,split,label
    walk,videos/walk.mp4,0,10,train,dog
    talk,videos/talk.mp4,3.5,,validation,person

`path` is a video file, relative to the folder of the table and within it. `start` and `end` are seconds of that file;
an empty start is its beginning, an empty end its end. `split` is train, validation (or val) or test. `group` is what
some clips have in common, an object, a speaker or a recording: such clips are no independent evidence, and no group
should stand in two splits. Columns may come in any order, and further ones are left alone.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from registry.errors import DataError, unknown
from registry.vocabulary import SPLITS, Split
from tasks.datasets.annotations import MANIFEST, digest, find_manifest, read_text
from tasks.datasets.table_text import read_rows
from tasks.media.clip import Clip
from tasks.media.errors import shortened
from tasks.media.files import leads_outside
from tasks.media.recording import FileRecording, Recording
from tasks.media.store import ClipStore, open_store

_NEEDED = ("id", "path", "start", "end", "split")
_LABEL, _MASKS, _GROUP, _MODALITY = "label", "masks", "group", "modality"
_SPLITS: dict[str, Split] = {**{split: split for split in SPLITS}, "val": "validation"}
# Whatever would break a message into lines.
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


@dataclass(frozen=True)
class ManifestRow:
    """One line of a manifest."""

    id: str
    path: str
    start: float
    end: float | None
    """None is the end of the file."""
    split: Split
    label: str
    """Empty where the table has none."""
    line: int
    masks: str = ""
    """Folder of the mask pictures; empty where the table names none."""
    group: str = ""
    """What it has in common with others; empty where it stands alone."""
    modality: str = ""
    """Whether its event is heard, seen or both; empty where the table does not say."""

    def meets(self, other: ManifestRow) -> bool:
        """Whether both have seconds in common, were they of one file."""
        own, others = (math.inf if row.end is None else row.end for row in (self, other))
        return self.start < others and other.start < own


@dataclass(frozen=True)
class Manifest:
    """The rows of a table, in its order, and the folder that its paths start from."""

    file: Path
    rows: tuple[ManifestRow, ...]

    def of(self, split: Split) -> list[ManifestRow]:
        """The rows of a split.

        Raises:
            DataError: there is none.
        """
        rows = [row for row in self.rows if row.split == split]
        if not rows:
            raise DataError(f"manifest {self.file} has no row with split {split}.")
        return rows

    def where(self, row: ManifestRow) -> str:
        """File and line, for messages."""
        return f"manifest {self.file} line {row.line}"

    def identity(self, *more: object) -> str:
        """`manifest@<digest>` of what the rows say and of what else decides the items.

        Neither line numbers nor where the table lies make a difference: its paths start from its own folder.
        """
        said = [(r.id, r.path, r.start, r.end, r.split, r.label, *([r.group] if r.group else [])) for r in self.rows]
        return f"manifest@{digest([*said, *more])}{self.store.suffix if self.store else ''}"

    def groups(self, split: Split) -> dict[str, str]:
        """The group of each clip of a split, by id; those without one are left out."""
        return {row.id: row.group for row in self.rows if row.group and row.split == split}

    def shared_groups(self) -> dict[str, int]:
        """How many groups two splits share, by `train and test`, …; empty where no row has a group."""
        of = {split: set(self.groups(split).values()) for split in SPLITS}
        if not any(of.values()):
            return {}
        return {f"{one} and {two}": len(of[one] & of[two]) for one, two in itertools.combinations(SPLITS, 2)}

    @cached_property
    def store(self) -> ClipStore | None:
        """The prepared clips that lie beside the table; None where its files are read."""
        return open_store(self.file.parent)

    def recording(self, row: ManifestRow) -> Recording:
        """The seconds that a row names, whether or not their file is there.

        Raises:
            DataError: a link that leads out of the manifest's folder.
        """
        seconds = None if row.end is None else row.end - row.start
        name = f"{row.path} {row.start}-{'end' if row.end is None else row.end}"
        if self.store:
            return self.store.find(name)
        file = self.file.parent / row.path
        if leads_outside(file, self.file.parent):
            raise DataError(
                f"{self.where(row)} has path {row.path!r}, a link that leads out of the manifest's folder; "
                "put the manifest where the videos are."
            )
        return FileRecording(name, video=file, start=row.start, seconds=seconds)

    def missing(self, rows: Iterable[ManifestRow]) -> set[str]:
        """The names of recordings whose files are missing or empty; nothing is decoded."""
        recordings = map(self.recording, rows)
        return {recording.name for recording in recordings if not recording.present}

    def require(self, rows: Sequence[ManifestRow] | None = None) -> None:
        """Check that the files of rows (None: of all) are there and not empty, without decoding.

        Raises:
            DataError: a list of what is missing.
        """
        rows = self.rows if rows is None else rows
        if missing := self.missing(rows):
            where = f"store {self.file.parent}" if self.store else f"manifest {self.file}"
            paths = dict.fromkeys(row.path for row in rows)
            gone = list(dict.fromkeys(row.path for row in rows if self.recording(row).name in missing))
            raise DataError(
                f"{len(gone)} of {len(paths)} files of {where} are missing or empty: {shortened(gone)}. "
                "allow_missing=True leaves them out and counts them."
            )

    def overlap(self, rows: Iterable[ManifestRow]) -> dict[str, int]:
        """How many of these rows have seconds of their file in common with a row of another split.

        By `train and test`, …; the rows of the later split are counted.
        """
        rows = list(rows)
        by_split = {split: [row for row in rows if row.split == split] for split in SPLITS}
        counts = {}
        for one, two in itertools.combinations(SPLITS, 2):
            of_file: dict[str, list[ManifestRow]] = {}
            for row in by_split[one]:
                of_file.setdefault(row.path, []).append(row)
            shared = [row for row in by_split[two] if any(row.meets(other) for other in of_file.get(row.path, ()))]
            counts[f"{one} and {two}"] = len(shared)
        return counts

    def read(self, row: ManifestRow, segments: int, size: int | None = None) -> Clip:
        """Decode the seconds that a row names; see `decode_clip` for the rules.

        Raises:
            DataError: a file that is missing or cannot be decoded (as MediaError).
        """
        return self.recording(row).read(segments, size)


def read_manifest(data: str | Path) -> Manifest:
    """Read a table, a .csv file or the `manifest.csv` of a folder.

    Raises:
        DataError: the file is missing or no such table, naming file and line.
    """
    path = find_manifest(data)
    if path is None and not Path(data).exists():
        raise DataError(f"there is no folder {data}; give a folder with {MANIFEST}, or a .csv file that exists.")
    if path is None:
        raise DataError(f"{data} is no manifest: give a .csv file, or a folder with {MANIFEST}.")
    if not path.is_file():
        raise DataError(f"manifest {path} does not exist.")
    return parse_manifest(read_text(path.parent, path.name, ()), path)


def parse_manifest(text: str, path: Path) -> Manifest:
    """The table in a text; `path` names it in messages and is where its paths start from.

    Raises:
        DataError: see `read_manifest`.
    """
    lines = read_rows(text, path, _NEEDED)
    _, header = next(lines, (1, []))
    _check_header(header, path)
    rows = [_row(header, fields, line, path) for line, fields in lines]
    if not rows:
        raise DataError(f"manifest {path} has no rows.")
    return Manifest(path, tuple(rows))


def require_unique(manifest: Manifest, rows: Iterable[ManifestRow]) -> None:
    """Check that no two rows share an id.

    Raises:
        DataError: two do, naming both lines.
    """
    first: dict[str, ManifestRow] = {}
    for row in rows:
        if row.id in first:
            raise DataError(
                f"{manifest.where(row)} repeats id {row.id!r} of line {first[row.id].line}; ids are unique."
            )
        first[row.id] = row


def require_labels(manifest: Manifest, rows: Sequence[ManifestRow]) -> None:
    """Check that every row has a label.

    Raises:
        DataError: a row without one, naming its line.
    """
    for row in rows:
        if not row.label:
            raise DataError(f"{manifest.where(row)} has no label; this task needs one in column {_LABEL!r}.")


def classes_of(manifest: Manifest) -> tuple[str, ...]:
    """The labels of the training rows, sorted.

    Raises:
        DataError: no training row has a label, or another split has a label that training has not.
    """
    classes = sorted({row.label for row in manifest.of("train") if row.label})
    if not classes:
        raise DataError(f"manifest {manifest.file} has no labels for training; put them in column {_LABEL!r}.")
    for row in manifest.rows:
        if row.label and row.label not in classes:
            raise DataError(f"{manifest.where(row)}: {unknown('label', row.label, classes)}")
    return tuple(classes)


def _check_header(header: list[str], path: Path) -> None:
    missing = [name for name in _NEEDED if name not in header]
    known = (*_NEEDED, _LABEL)
    if missing or len(set(header)) < len(header):
        what = f"lacks column {missing[0]!r}" if missing else "names a column twice"
        raise DataError(f"manifest {path} line 1 {what}: {','.join(header)[:80]!r}; expected {','.join(known)}.")


def _row(header: list[str], fields: list[str], line: int, path: Path) -> ManifestRow:
    where = f"manifest {path} line {line}"
    if len(fields) != len(header):
        raise DataError(f"{where} has {len(fields)} fields, its header has {len(header)}.")
    if any(_CONTROL.search(field) for field in fields):
        raise DataError(f"{where} holds a line break or another control character.")
    cell = dict(zip(header, fields, strict=True))
    if not cell["id"]:
        raise DataError(f"{where} has no id.")
    split = cell["split"].lower()
    if split not in _SPLITS:
        raise DataError(f"{where}: {unknown('split', split, _SPLITS)}")
    start = _seconds(cell["start"] or "0", "start", where)
    end = _seconds(cell["end"], "end", where) if cell["end"] else None
    if end is not None and end <= start:
        raise DataError(f"{where} ends at {cell['end']} s and starts at {start:g} s; the end must come later.")
    file = _inside(cell["path"], where)
    masks = _inside(cell[_MASKS], where) if cell.get(_MASKS) else ""
    label, group, modality = (cell.get(name, "") for name in (_LABEL, _GROUP, _MODALITY))
    return ManifestRow(cell["id"], file, start, end, _SPLITS[split], label, line, masks, group, modality)


def _seconds(text: str, name: str, where: str) -> float:
    try:
        # Spreadsheets in many languages write a comma; it separates nothing here.
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise DataError(f"{where} has {name} {text[:40]!r}, expected seconds, 0 or more.")
    return value


def _inside(text: str, where: str) -> str:
    """A path that cannot leave the manifest's folder."""
    path = PurePosixPath(text)
    if "\\" in text:
        raise DataError(
            f"{where} has path {text[:80]!r} with backslashes, expected a file within the manifest's folder with / "
            "between folders."
        )
    if not text or path.is_absolute() or ".." in path.parts or "\0" in text:
        raise DataError(f"{where} has path {text[:80]!r}, expected a file within the manifest's folder.")
    return str(path)
