"""The clips of the procedural world, rendered once to disk and read from there by every run.

They lie in the folder of `tasks.cache`.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from filelock import FileLock

from registry.errors import UserError
from registry.vocabulary import SAMPLE_RATE, Split
from tasks.cache import cache_folder
from tasks.synthetic.render import render_frames
from tasks.synthetic.scene import SEGMENTS, Kind, make_scene
from tasks.synthetic.sound import render_sound

SIZES: dict[Kind, dict[Split, int]] = {
    "event": {"train": 1024, "validation": 256, "test": 512},
    "ensemble": {"train": 1536, "validation": 256, "test": 512},
}
"""Clips. Events are learned from fewer, and the default grid has to stay short."""
FIRST_SEED: dict[Split, int] = {"train": 0, "validation": 10_000_000, "test": 20_000_000}
"""Far apart, so that no two splits share a scene."""
FRAME_SIDE = 32
_CHUNK = 32
_RENDERED_BY = ("scene.py", "paint.py", "render.py", "sound.py")
_ASKED_BY = ("questions.py", "dataset.py")


@dataclass(frozen=True)
class _Part:
    """A file of equal arrays, one for each clip."""

    name: str
    dtype: type[np.generic]
    shape: tuple[int, ...]

    @property
    def _bytes(self) -> int:
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    def create(self, folder: Path, clips: int) -> None:
        with (folder / self.name).open("wb") as file:
            file.truncate(clips * self._bytes)

    def write(self, folder: Path, index: int, values: np.ndarray) -> None:
        with (folder / self.name).open("r+b") as file:
            file.seek(index * self._bytes)
            file.write(np.ascontiguousarray(values, dtype=self.dtype).data)

    def read(self, folder: Path, index: int) -> np.ndarray:
        count = math.prod(self.shape)
        flat = np.fromfile(folder / self.name, self.dtype, count, offset=index * self._bytes)
        return flat.reshape(self.shape)


_FRAMES = _Part("frames.u8", np.uint8, (SEGMENTS, 3, FRAME_SIDE, FRAME_SIDE))
_SOUND = _Part("sound.i16", np.int16, (SEGMENTS, SAMPLE_RATE))


def seeds(kind: Kind, split: Split) -> range:
    """The scene seeds of a split."""
    return range(FIRST_SEED[split], FIRST_SEED[split] + SIZES[kind][split])


@cache
def identity() -> str:
    """`synthetic@<hash>`: of the source that draws the world, so that a changed world never mixes with old numbers."""
    return f"synthetic@{_digest(*_RENDERED_BY, *_ASKED_BY)}"


def prepare(kind: Kind, report: Callable[[int, int], None] | None = None) -> None:
    """Render every split of a kind that is not on disk yet, on all cores; `report(done, total)` counts clips.

    Raises:
        UserError: the cache folder cannot be written.
    """
    folder = _folder(kind)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.exists():
                _render_all(kind, folder, report)
    except OSError as error:
        raise UserError(
            f"cannot write rendered clips to {folder.parent} ({error.strerror or error}); "
            "set AVBENCH_CACHE to a folder with 1.2 GB of free space."
        ) from None


def read(kind: Kind, split: Split, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames (T, 3, 32, 32) uint8 and waveform (T, 16000) int16 of one clip of a kind that `prepare` rendered."""
    # Read, not mapped: pages of a mapping count as memory of the run.
    folder = _folder(kind) / split
    return _FRAMES.read(folder, index), _SOUND.read(folder, index)


@cache
def _folder(kind: Kind) -> Path:
    return cache_folder() / f"synthetic-{_digest(*_RENDERED_BY)}-{kind}"


def _digest(*names: str) -> str:
    sources = [Path(__file__).with_name(name).read_bytes() for name in names]
    sizes = repr((SIZES, FIRST_SEED, FRAME_SIDE)).encode()
    return hashlib.sha256(b"\0".join([*sources, sizes])).hexdigest()[:8]


def _render_all(kind: Kind, folder: Path, report: Callable[[int, int], None] | None) -> None:
    sizes = SIZES[kind]
    jobs = [(split, start) for split in sizes for start in range(0, sizes[split], _CHUNK)]
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}-partial-"))
    try:
        for split, size in sizes.items():
            (partial / split).mkdir()
            for part in (_FRAMES, _SOUND):
                part.create(partial / split, size)
        # Not the fork server: there is one for the whole process, and cells want it started with their own imports.
        with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
            done = 0
            for count in pool.map(_render_chunk, *zip(*[(kind, partial, *job) for job in jobs], strict=True)):
                done += count
                if report:
                    report(done, sum(sizes.values()))
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _render_chunk(kind: Kind, folder: Path, split: Split, start: int) -> int:
    drawn = seeds(kind, split)[start : start + _CHUNK]
    for i, seed in enumerate(drawn, start):
        scene = make_scene(seed, kind=kind)
        _FRAMES.write(folder / split, i, render_frames(scene, FRAME_SIDE).transpose(0, 3, 1, 2))
        _SOUND.write(folder / split, i, np.round(render_sound(scene).reshape(_SOUND.shape) * 32767))
    return len(drawn)
