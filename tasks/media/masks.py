"""Mask pictures: whatever tool drew them, a pixel that is not black belongs to the object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tasks.media.errors import MediaError, damaged, printable
from tasks.media.files import leads_outside
from tasks.media.inspect import Problem

PLAIN = ("1", "L")
"""PIL's modes of pictures in which nobody can be mistaken: black and white, and grey."""


@dataclass(frozen=True)
class ClipMasks:
    """The mask pictures of a clip.

    Args:
        root: the folder of the data, which no picture may lie outside of.
        files: of each segment; None where it has none.
        needed: segments, from 0, without whose picture the clip cannot be used.
    """

    root: Path
    files: tuple[Path | None, ...]
    needed: frozenset[int] = frozenset()

    @property
    def missing(self) -> list[int]:
        """Segments, from 0, whose picture is needed and not there; all of them where a clip has none at all."""
        there = {i for i, file in enumerate(self.files) if file is not None and file.is_file()}
        return sorted(self.needed - there) if there else list(range(len(self.files)))

    @property
    def present(self) -> bool:
        """Whether the clip can be used."""
        return not self.missing

    def sizes(self) -> list[tuple[str, int]]:
        """Names and bytes of the pictures that are there, which tell one set of masks from another."""
        there = [file for file in self.files if file is not None and file.is_file()]
        return [(file.name, file.stat().st_size) for file in there]

    def read(self, side: int) -> tuple[Tensor, Tensor]:
        """Masks (T, side, side) uint8, 0 or 1, and which segments have one (T,) bool.

        Raises:
            MediaError: a picture that is missing or damaged.
        """
        masks = torch.zeros(len(self.files), side, side, dtype=torch.uint8)
        annotated = torch.zeros(len(self.files), dtype=torch.bool)
        for segment, file in enumerate(self.files):
            if file is not None and (file.is_file() or segment in self.needed):
                masks[segment] = torch.from_numpy(fitted(self._open(file), side))
                annotated[segment] = True
        return masks, annotated

    def problems(self, side: int, *, decode: bool) -> Iterator[Problem]:
        """What is wrong with the pictures, a line for each kind and picture.

        Args:
            side: what masks are fitted to.
            decode: whether pictures are opened.
        """
        if self.missing:
            yield Problem("missing", f"no mask of {_segments(self.missing)}")
        without = [i for i, file in enumerate(self.files) if file is None]
        if without and not self.missing and not self.needed:
            yield Problem("mask", f"no mask of {_segments(without)}: neither trained on nor scored")
        for file in self.files if decode else ():
            if file is not None and file.is_file():
                yield from self._looked_at(file, side)

    def _looked_at(self, file: Path, side: int) -> Iterator[Problem]:
        try:
            picture = self._open(file)
        except MediaError as error:
            yield Problem("unreadable", str(error))
            return
        name = printable(file.name)
        if picture.size != (side, side):
            yield Problem("mask", f"{name} is {picture.width} x {picture.height}, fitted to {side} x {side}")
        if picture.mode not in PLAIN:
            yield Problem("mask", f"{name} has mode {picture.mode}; every colour but black is the object")

    def _open(self, file: Path) -> Image.Image:
        if leads_outside(file, self.root):
            raise damaged(file, "it is a link that leads out of the data's folder")
        try:
            with Image.open(file) as picture:
                picture.load()
                return picture.copy()
        except FileNotFoundError:
            raise MediaError(f"mask {printable(str(file))} is missing.") from None
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise damaged(file, " ".join(str(error).split()) or type(error).__name__) from None


def fitted(picture: Image.Image, side: int) -> np.ndarray:
    """Where a picture is not black, by the nearest pixel: -> (side, side) uint8, 0 or 1.

    Palettes and colours are looked up first: the number of a palette's colour says nothing of what it looks like.
    """
    if picture.mode in ("P", "PA", "LA", "RGBA"):
        picture = picture.convert("RGB")
    pixels = np.asarray(picture)
    marked = np.asarray((pixels > 0).any(-1) if pixels.ndim == 3 else pixels > 0)
    if marked.shape != (side, side):
        rows, columns = ((np.arange(side) + 0.5) * size / side for size in marked.shape)
        marked = marked[rows.astype(np.int64)[:, None], columns.astype(np.int64)[None]]
    return marked.astype(np.uint8)


def _segments(numbers: list[int]) -> str:
    """From 1, as files are numbered."""
    listed = ", ".join(str(i + 1) for i in numbers[:10]) + (" …" if len(numbers) > 10 else "")
    return f"segment{'s' if len(numbers) > 1 else ''} {listed}"
