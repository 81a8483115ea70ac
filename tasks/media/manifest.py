"""A table of the user's own videos: a CSV file with the columns id, path, start, end, split and, if wanted, label.

    id,path,start,end,split,label
    walk,videos/walk.mp4,0,10,train,dog
    talk,videos/talk.mp4,3.5,,validation,person

`path` is a video file, relative to the folder of the table and within it. `start` and `end` are seconds of that file;
an empty start is its beginning, an empty end its end. `split` is train, validation (or val) or test. Columns may come
in any order, and further ones are left alone.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from registry.errors import UserError, unknown
from registry.vocabulary import SPLITS, Split
from tasks.media.annotations import digest, read_text
from tasks.media.clip import Clip
from tasks.media.decode import decode_clip

NAME = "manifest.csv"
"""What a folder's own manifest is called."""
_NEEDED = ("id", "path", "start", "end", "split")
_LABEL = "label"
_SPLITS: dict[str, Split] = {**{split: split for split in SPLITS}, "val": "validation"}
_SHOWN = 5
# Whatever would break a message into lines.
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


@dataclass(frozen=True)
class Row:
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


@dataclass(frozen=True)
class Manifest:
    """The rows of a table, in its order, and the folder that its paths start from."""

    file: Path
    rows: tuple[Row, ...]

    @property
    def name(self) -> str:
        """The file's name; that of its folder before it where it is called `manifest.csv`."""
        return f"{self.file.resolve().parent.name}/{NAME}" if self.file.name == NAME else self.file.name

    def of(self, split: Split) -> list[Row]:
        """The rows of a split.

        Raises:
            UserError: there is none.
        """
        rows = [row for row in self.rows if row.split == split]
        if not rows:
            raise UserError(f"manifest {self.file} has no row with split {split}.")
        return rows

    def where(self, row: Row) -> str:
        """File and line, for messages."""
        return f"manifest {self.file} line {row.line}"

    def identity(self, *more: object) -> str:
        """`<name>@<hash>` of what the rows say and of what else decides the items; line numbers make no difference."""
        said = [(r.id, r.path, r.start, r.end, r.split, r.label) for r in self.rows]
        return f"{self.name}@{digest([*said, *more])}"

    def require(self) -> None:
        """Check that every file is there and not empty, without decoding.

        Raises:
            UserError: a list of what is missing.
        """
        paths = dict.fromkeys(row.path for row in self.rows)
        missing = [path for path in paths if not _present(self.file.parent / path)]
        if missing:
            shown = ", ".join(missing[:_SHOWN]) + (" …" if len(missing) > _SHOWN else "")
            raise UserError(
                f"{len(missing)} of {len(paths)} files of manifest {self.file} are missing or empty: {shown}."
            )

    def read(self, row: Row, segments: int, size: int | None = None) -> Clip:
        """Decode the seconds that a row names; see `decode_clip` for the rules.

        Raises:
            UserError: a file that is missing or cannot be decoded (as MediaError).
        """
        seconds = None if row.end is None else row.end - row.start
        return decode_clip(self.file.parent / row.path, segments, seconds, size, start=row.start)


def find_manifest(data: str | Path) -> Path | None:
    """The manifest behind a task's option `data`: the file itself, or `manifest.csv` of a folder; None without."""
    path = Path(data).expanduser()
    if path.suffix.lower() == ".csv":
        return path
    return path / NAME if (path / NAME).is_file() else None


def read_manifest(path: str | Path) -> Manifest:
    """Read a table.

    Raises:
        UserError: the file is missing or no such table, naming file and line.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise UserError(f"manifest {path} does not exist.")
    return parse_manifest(read_text(path.parent, path.name, ()), path)


def parse_manifest(text: str, path: Path) -> Manifest:
    """The table in a text; `path` names it in messages and is where its paths start from.

    Raises:
        UserError: see `read_manifest`.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header, path)
        rows = []
        for fields in reader:
            if any(field.strip() for field in fields):
                rows.append(_row(header, [field.strip() for field in fields], reader.line_num, path))
    except csv.Error as error:
        raise UserError(f"manifest {path} line {reader.line_num} is not CSV: {error}.") from None
    if not rows:
        raise UserError(f"manifest {path} has no rows.")
    return Manifest(path, tuple(rows))


def require_unique(manifest: Manifest, rows: Iterable[Row]) -> None:
    """Check that no two rows share an id.

    Raises:
        UserError: two do, naming both lines.
    """
    first: dict[str, Row] = {}
    for row in rows:
        if row.id in first:
            raise UserError(
                f"{manifest.where(row)} repeats id {row.id!r} of line {first[row.id].line}; ids are unique."
            )
        first[row.id] = row


def require_labels(manifest: Manifest, rows: Sequence[Row]) -> None:
    """Check that every row has a label.

    Raises:
        UserError: a row without one, naming its line.
    """
    for row in rows:
        if not row.label:
            raise UserError(f"{manifest.where(row)} has no label; this task needs one in column {_LABEL!r}.")


def classes_of(manifest: Manifest) -> tuple[str, ...]:
    """The labels of the training rows, sorted.

    Raises:
        UserError: no training row has a label, or another split has a label that training has not.
    """
    classes = sorted({row.label for row in manifest.of("train") if row.label})
    if not classes:
        raise UserError(f"manifest {manifest.file} has no labels for training; put them in column {_LABEL!r}.")
    for row in manifest.rows:
        if row.label and row.label not in classes:
            raise UserError(f"{manifest.where(row)}: {unknown('label', row.label, classes)}")
    return tuple(classes)


def _check_header(header: list[str], path: Path) -> None:
    missing = [name for name in _NEEDED if name not in header]
    known = (*_NEEDED, _LABEL)
    if missing or len(set(header)) < len(header):
        what = f"lacks column {missing[0]!r}" if missing else "names a column twice"
        raise UserError(f"manifest {path} line 1 {what}: {','.join(header)[:80]!r}; expected {','.join(known)}.")


def _row(header: list[str], fields: list[str], line: int, path: Path) -> Row:
    where = f"manifest {path} line {line}"
    if len(fields) != len(header):
        raise UserError(f"{where} has {len(fields)} fields, its header has {len(header)}.")
    if any(_CONTROL.search(field) for field in fields):
        raise UserError(f"{where} holds a line break or another control character.")
    cell = dict(zip(header, fields, strict=True))
    if not cell["id"]:
        raise UserError(f"{where} has no id.")
    split = cell["split"].lower()
    if split not in _SPLITS:
        raise UserError(f"{where}: {unknown('split', split, _SPLITS)}")
    start = _seconds(cell["start"] or "0", "start", where)
    end = _seconds(cell["end"], "end", where) if cell["end"] else None
    if end is not None and end <= start:
        raise UserError(f"{where} ends at {cell['end']} s and starts at {start:g} s; the end must come later.")
    file = _inside(cell["path"], where)
    return Row(cell["id"], file, start, end, _SPLITS[split], cell.get(_LABEL, ""), line)


def _seconds(text: str, name: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise UserError(f"{where} has {name} {text[:40]!r}, expected seconds, 0 or more.")
    return value


def _inside(text: str, where: str) -> str:
    """A path that cannot leave the manifest's folder."""
    path = PurePosixPath(text)
    if not text or path.is_absolute() or ".." in path.parts or "\\" in text or "\0" in text:
        raise UserError(f"{where} has path {text[:80]!r}, expected a file within the manifest's folder.")
    return str(path)


def _present(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError:
        return False
