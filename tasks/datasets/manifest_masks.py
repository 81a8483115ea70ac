"""A manifest whose clips have masks: its column `masks` names a folder of pictures for each clip."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from registry.errors import DataError
from registry.vocabulary import SPLITS, Split
from tasks.datasets.manifest import ManifestRow
from tasks.datasets.manifest_clips import ManifestClips, ManifestRows
from tasks.datasets.source import CountReport, keep_present
from tasks.media.errors import shortened
from tasks.media.frames import is_picture
from tasks.media.inspect import Problem
from tasks.media.masks import ClipMasks

_NUMBER = re.compile(r"(\d+)$")


class ManifestMasks(ManifestClips):
    """Clips of a manifest with masks of some or all of their segments.

    The column `masks` of a row is a folder within the manifest's own, with a picture for each segment that is
    annotated; the number at the end of its name says which, from 1: `3.png`, `frame_0003.png`. The mask of a segment
    belongs to the frame at its middle. Segments without a picture are not trained on and not scored.

    Raises:
        UserError: see `ManifestClips`; or a row without masks.
    """

    def __init__(
        self, data: str | Path, segments: int | None = None, allow_missing: bool = False, side: int = 224
    ) -> None:
        super().__init__(data, segments, allow_missing, side)
        for row in self.manifest.rows:
            if not row.masks:
                raise DataError(
                    f"{self.manifest.where(row)} names no masks; this task needs a folder of mask pictures in column "
                    "'masks'."
                )
        if allow_missing:
            without = {row.id for row in self.manifest.rows if not self.masks(row).present}
            left = dict(self.left_out)
            self._rows, more = keep_present(self._rows, lambda row: row.id, without)
            self.left_out = {s: left.get(s, 0) + more.get(s, 0) for s in SPLITS if left.get(s, 0) + more.get(s, 0)}

    def masks(self, row: ManifestRow) -> ClipMasks:
        """The masks of a row's segments, whether or not there are any."""
        return masks_of(row, self.manifest.file.parent, self.segments)

    def clips(self, split: Split) -> MaskedRows:
        self.prepare()
        self.manifest.of(split)
        return MaskedRows(self, self._rows[split])

    def prepare(self, report: CountReport | None = None) -> None:
        super().prepare(report)
        rows = [row for rows in self._rows.values() for row in rows]
        if bare := [row.id for row in rows if not self.masks(row).present]:
            raise DataError(
                f"{len(bare)} of {len(rows)} clips of manifest {self.manifest.file} have no mask: {shortened(bare)}. "
                "allow_missing=True leaves them out and counts them."
            )

    def label_problems(self, *, decode: bool) -> Iterator[tuple[str, Problem]]:
        for rows in self._rows.values():
            for row in rows:
                name = self.manifest.recording(row).name
                yield from ((name, found) for found in self.masks(row).problems(self.mask_side, decode=decode))

    def annotation_files(self) -> dict[str, Path]:
        root = self.manifest.file.parent
        files = [file for rows in self._rows.values() for row in rows for file in self.masks(row).files if file]
        return {**super().annotation_files(), **{str(file.relative_to(root)): file for file in files}}

    def identity(self) -> str:
        said = [(row.id, row.masks, self.masks(row).sizes()) for rows in self._rows.values() for row in rows]
        return self.manifest.identity("masks", self.segments, *said) + self.partial


def masks_of(row: ManifestRow, root: Path, segments: int | None = None) -> ClipMasks:
    """The masks that a row of a manifest names.

    Args:
        root: the manifest's folder.
        segments: how many the clip has; None is as many as the highest number says.
    """
    folder, found = root / row.masks, dict[int, Path]()
    if row.masks and folder.is_dir():
        for path in sorted(folder.iterdir()):
            number = _NUMBER.search(path.stem)
            if is_picture(path.name) and number:
                found[int(number.group())] = path
    segments = max(found, default=0) if segments is None else segments
    return ClipMasks(root, tuple(found.get(i) for i in range(1, segments + 1)))


class MaskedRows(ManifestRows):
    """Clips decoded on demand; targets beside the others: `masks` (T, 224, 224) uint8, `annotated` (T,) bool."""

    source: ManifestMasks

    def __getitem__(self, index: int) -> dict[str, dict[str, Any]]:
        item = super().__getitem__(index)
        masks, annotated = self.source.masks(self.rows[index]).read(self.source.mask_side)
        return {**item, "targets": {**item["targets"], "masks": masks, "annotated": annotated}}
