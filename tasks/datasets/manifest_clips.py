"""A manifest whose rows are clips, each on its own: for classification and retrieval."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from torch.utils.data import Dataset

from registry.errors import UserError
from registry.vocabulary import SPLITS, Split
from tasks.datasets.annotations import MANIFEST
from tasks.datasets.manifest import ManifestRow, classes_of, read_manifest, require_labels, require_unique
from tasks.datasets.source import SEGMENTS, ClipSource, CountReport, keep_present
from tasks.media.recording import Recording


class ManifestClips(ClipSource):
    """Clips of a manifest; `classes` are the labels of training, empty where the table has none.

    Args:
        data: the manifest, or its folder.
        segments: T, the equal segments that a clip is cut into; None is ten.
        allow_missing: leave out clips whose files are missing, see `left_out`.
        side: frames are fitted to this many pixels, squared.

    Raises:
        UserError: a manifest that cannot be read, an id that occurs twice, or labels that are missing.
    """

    version = 1
    needs_labels: ClassVar[bool] = False
    """Whether every row must have a label."""

    def __init__(
        self,
        data: str | Path,
        segments: int | None = None,
        allow_missing: bool = False,
        side: int = 224,
    ) -> None:
        self.segments, self.side = SEGMENTS if segments is None else segments, side
        if self.segments < 1:
            raise UserError(f"segments={segments} must be at least 1.")
        self.manifest = read_manifest(data)
        require_unique(self.manifest, self.manifest.rows)
        if self.needs_labels or any(row.label for row in self.manifest.rows):
            require_labels(self.manifest, self.manifest.rows)
            self.classes = classes_of(self.manifest)
        else:
            self.classes = ()
        lengths = [None if row.end is None else row.end - row.start for row in self.manifest.rows]
        self.seconds = None if None in lengths else max(length for length in lengths if length is not None)
        self._rows = {split: [row for row in self.manifest.rows if row.split == split] for split in SPLITS}
        if allow_missing:
            missing = self.manifest.missing(self.manifest.rows)
            self._rows, self.left_out = keep_present(self._rows, lambda row: self.manifest.recording(row).name, missing)

    @property
    def stored_side(self) -> int | None:
        return self.manifest.store.side if self.manifest.store else None

    def clips(self, split: Split) -> ManifestRows:
        self.prepare()
        self.manifest.of(split)
        return ManifestRows(self, self._rows[split])

    def recordings(self) -> dict[Split, list[Recording]]:
        return {split: [self.manifest.recording(row) for row in rows] for split, rows in self._rows.items()}

    def overlap(self) -> dict[str, int]:
        return self.manifest.overlap(row for rows in self._rows.values() for row in rows)

    def annotation_files(self) -> dict[str, Path]:
        return {MANIFEST: self.manifest.file}

    def identity(self) -> str:
        return self.manifest.identity("clips", self.segments) + self.partial

    def prepare(self, report: CountReport | None = None) -> None:
        self.manifest.require([row for rows in self._rows.values() for row in rows])


class LabelledManifestClips(ManifestClips):
    """Clips of a manifest that each have a label."""

    needs_labels = True


class ManifestRows(Dataset[dict[str, dict[str, Any]]]):
    """Clips decoded on demand.

    Inputs: `frames` (T, 3, side, side) uint8, `waveform` (T, 16000) float32. Targets: `id` str, and `category` int
    where the manifest has labels.
    """

    def __init__(self, source: ManifestClips, rows: list[ManifestRow]) -> None:
        self.source, self.rows = source, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, dict[str, Any]]:
        row, source = self.rows[index], self.source
        clip = source.manifest.read(row, source.segments, source.side)
        category = {"category": source.classes.index(row.label)} if row.label else {}
        return {"inputs": clip.inputs(), "targets": {"id": row.id, **category}}
