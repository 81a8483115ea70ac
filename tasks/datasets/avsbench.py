"""AVSBench-object on disk: clips of five seconds with masks of what sounds, one source (S4) or several (MS3)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch.utils.data import Dataset

from registry.errors import DataError, unknown
from registry.vocabulary import SPLITS, Split
from tasks.datasets.annotations import digest, find_file, read_text
from tasks.datasets.source import ClipSource, CountReport, keep_present
from tasks.datasets.table_text import read_rows
from tasks.media.errors import shortened
from tasks.media.files import leads_outside
from tasks.media.inspect import Problem
from tasks.media.library import find_data_root
from tasks.media.masks import ClipMasks
from tasks.media.recording import FileRecording, Recording
from tasks.media.sampling import find_sampling
from tasks.media.store import ClipStore, open_store

SECONDS = SEGMENTS = 5
TABLES = {"s4": "s4_meta_data.csv", "ms3": "ms3_meta_data.csv"}
FOLDERS = {"s4": "Single-source", "ms3": "Multi-sources"}
SPLIT_NAMES: dict[str, Split] = {"train": "train", "val": "validation", "test": "test"}
_OF_SPLIT = {split: name for name, split in SPLIT_NAMES.items()}
PUBLISHED_WINDOW = 1.95
"""Seconds of sound for each frame in STG-CMA's code and in LAVISH's defaults; the command of its README has one."""
_NAME = re.compile(r"[\w-][\w.-]*")


@dataclass(frozen=True)
class AvsRow:
    """One line of the table."""

    clip: str
    split: Split
    category: str
    """Empty on several sources, whose table has none."""

    @property
    def name(self) -> str:
        """Unique in a data set."""
        return f"{self.category}/{self.clip}" if self.category else self.clip


class AvsBenchFolder(ClipSource):
    """The clips of an AVSBench folder, with masks of their frames.

    The folder holds s4_meta_data.csv (columns: clip, start, category, split) and s4_data/, or ms3_meta_data.csv (clip
    first, a column `split`) and ms3_data/, each with visual_frames, gt_masks and audio_wav as published. In the
    training split of S4 the first frame of each clip has a mask, everywhere else all five have.

    Args:
        data: that folder, or one that has it as `Single-source` or `Multi-sources`.
        sampling: `middle`: frame t and the sound of second t; `published`: frame t and evenly spaced windows of 1.95 s.
        allow_missing: leave out clips whose media or masks are missing, see `left_out`.
        side: frames are fitted to this many pixels, squared; masks keep 224.

    Raises:
        DataError: a table that is missing or malformed, or two tables.
    """

    version = 1
    segments = SEGMENTS
    seconds = float(SECONDS)

    def __init__(
        self, data: str | Path, sampling: str = "middle", allow_missing: bool = False, side: int = 224
    ) -> None:
        self.sampling, self.side = find_sampling(sampling, PUBLISHED_WINDOW), side
        self.kind, table = _find_table(find_data_root(data, "avsbench"))
        self.root, self.table = table.parent, table
        rows = parse_table(read_text(self.root, table.name, ()), table, with_category=self.kind == "s4")
        self.classes = tuple(sorted({row.category for row in rows} - {""}))
        self._rows = {split: [row for row in rows if row.split == split] for split in SPLITS}
        for split in SPLITS:
            if not self._rows[split]:
                raise DataError(f"{table} has no clip of split {_OF_SPLIT[split]}.")
        if allow_missing:
            missing = {row.name for row in rows if not self._is_there(row)}
            self._rows, self.left_out = keep_present(self._rows, lambda row: row.name, missing)

    @property
    def official(self) -> Mapping[Split, int]:  # type: ignore[override]
        """Clips of the published lists."""
        counts = {"s4": (3452, 740, 740), "ms3": (296, 64, 64)}[self.kind]
        return MappingProxyType(dict(zip(SPLITS, counts, strict=True)))

    @cached_property
    def store(self) -> ClipStore | None:
        """Prepared clips beside the table; None where files are read."""
        store = open_store(self.root)
        if store:
            store.index.shape.require(self.sampling, self.root)
        return store

    @property
    def stored_side(self) -> int | None:
        return self.store.side if self.store else None

    def rows(self, split: Split) -> list[AvsRow]:
        """The rows of a split, in the order of the table."""
        return self._rows[split]

    def clips(self, split: Split) -> AvsClips:
        self._require(self._rows[split])
        return AvsClips(self, self._rows[split])

    def prepare(self, report: CountReport | None = None) -> None:
        self._require([row for rows in self._rows.values() for row in rows])

    def recordings(self) -> dict[Split, list[Recording]]:
        return {split: [self.recording(row) for row in rows] for split, rows in self._rows.items()}

    def recording(self, row: AvsRow) -> Recording:
        """The pictures and the sound of a clip, whether or not they are there."""
        if self.store:
            return self.store.find(row.name)
        frames = self._place("visual_frames", row, with_split=self.kind == "s4") / row.clip
        sound = (self._place("audio_wav", row) / row.clip).with_name(f"{row.clip}.wav")
        out = any(leads_outside(path, self.root) for path in (frames, sound))
        there = frames.is_dir() and sound.is_file() and not out
        return FileRecording(row.name, frames=frames if there else None, sound=sound, seconds=SECONDS, leads_out=out)

    def masks(self, row: AvsRow) -> ClipMasks:
        """The masks of a clip: of training on single sources the first alone."""
        folder = self._place("gt_masks", row) / row.clip
        count = 1 if self.kind == "s4" and row.split == "train" else SEGMENTS
        files = tuple(folder / f"{row.clip}_{k}.png" if k <= count else None for k in range(1, SEGMENTS + 1))
        return ClipMasks(self.root, files, frozenset(range(count)))

    def label_problems(self, *, decode: bool) -> Iterator[tuple[str, Problem]]:
        for rows in self._rows.values():
            for row in rows:
                yield from ((row.name, problem) for problem in self.masks(row).problems(self.mask_side, decode=decode))

    def annotation_files(self) -> dict[str, Path]:
        masks = [file for rows in self._rows.values() for row in rows for file in self.masks(row).files]
        present = [file for file in masks if file is not None and file.is_file()]
        return {str(path.relative_to(self.root)): path for path in (self.table, *present)}

    def identity(self) -> str:
        """`avsbench_s4@<digest>` of what the table says and of the names and sizes of the masks."""
        said = [(row.clip, row.category, self.masks(row).sizes()) for rows in self._rows.values() for row in rows]
        counts = [len(rows) for rows in self._rows.values()]
        stored = self.store.suffix if self.store else ""
        return f"avsbench_{self.kind}@{digest([counts, *said])}{self.sampling.suffix}{self.partial}{stored}"

    def _place(self, what: str, row: AvsRow, with_split: bool = True) -> Path:
        parts = [_OF_SPLIT[row.split]] if with_split else []
        return self.root.joinpath(f"{self.kind}_data", what, *parts, *([row.category] if row.category else []))

    def _is_there(self, row: AvsRow) -> bool:
        return self.recording(row).present and self.masks(row).present

    def _require(self, rows: list[AvsRow]) -> None:
        if missing := [row.name for row in rows if not self._is_there(row)]:
            raise DataError(
                f"media or masks of {len(missing)} of {len(rows)} clips are missing under {self.root}: "
                f"{shortened(missing)}; data verify says what lacks, and allow_missing=True leaves them out and "
                "counts them."
            )


class AvsClips(Dataset[dict[str, dict[str, Any]]]):
    """Clips read on demand.

    Inputs: `frames` (5, 3, side, side) uint8, `waveform` (5, samples) float32. Targets: `masks` (5, 224, 224) uint8,
    `annotated` (5,) bool, `id` str, and on single sources `category` int.
    """

    def __init__(self, folder: AvsBenchFolder, rows: list[AvsRow]) -> None:
        self.folder, self.rows = folder, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, dict[str, Any]]:
        row, folder = self.rows[index], self.folder
        clip = folder.recording(row).read(SEGMENTS, folder.side, folder.sampling)
        masks, annotated = folder.masks(row).read(folder.mask_side)
        category = {"category": folder.classes.index(row.category)} if row.category else {}
        return {
            "inputs": clip.inputs(),
            "targets": {"masks": masks, "annotated": annotated, "id": row.name, **category},
        }


def parse_table(text: str, path: Path, *, with_category: bool) -> list[AvsRow]:
    """The rows of a table with a header: the clip first, a column `split`, and on single sources the category third.

    Raises:
        DataError: it is no such table, naming the line.
    """
    lines = read_rows(text, path, ("split",))
    _, header = next(lines, (1, []))
    width = 4 if with_category else 2
    if "split" not in header or len(header) < width:
        form = "clip, start, category, split" if with_category else "a clip first, and split"
        raise DataError(f"{path} line 1 has columns {','.join(header)[:80]!r}, expected {form}.")
    rows, seen = [], set()
    for line, fields in lines:
        where = f"{path} line {line}"
        if len(fields) != len(header):
            raise DataError(f"{where} has {len(fields)} fields, its header has {len(header)}.")
        clip, category, split = fields[0], fields[2] if with_category else "", fields[header.index("split")].lower()
        for word in (clip, category) if with_category else (clip,):
            if not _NAME.fullmatch(word):
                raise DataError(f"{where} has {word[:80]!r}, expected a plain name (letters, digits, '-', '_', '.').")
        if split not in SPLIT_NAMES:
            raise DataError(f"{where}: {unknown('split', split, SPLIT_NAMES)}")
        row = AvsRow(clip, SPLIT_NAMES[split], category)
        if (row.name, row.split) in seen:
            raise DataError(f"{where} repeats clip {row.name}.")
        seen.add((row.name, row.split))
        rows.append(row)
    return rows


def _tables_under(root: Path) -> dict[str, Path]:
    found = {kind: find_file(root, name, (FOLDERS[kind],)) for kind, name in TABLES.items()}
    return {kind: path for kind, path in found.items() if path}


def _find_table(root: Path) -> tuple[str, Path]:
    found = _tables_under(root)
    if not found:
        raise DataError(f"{root} has neither {TABLES['s4']} nor {TABLES['ms3']} of AVSBench, and no manifest.csv.")
    if len(found) > 1:
        raise DataError(f"{root} holds both parts of AVSBench; give its folder {' or '.join(FOLDERS.values())}.")
    return next(iter(found.items()))
