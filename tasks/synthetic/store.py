"""The clips of the procedural world, rendered once to disk and read from there by every run.

They lie in the folder named by the environment variable AVBENCH_CACHE, else in ~/.cache/av-adapter-bench; the folder
can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from filelock import FileLock

from registry.errors import UserError
from registry.vocabulary import SAMPLE_RATE, Split
from tasks.synthetic.render import render_frames
from tasks.synthetic.scene import SEGMENTS, Kind, make_scene
from tasks.synthetic.sound import render_sound

SIZES: dict[Split, int] = {"train": 1536, "validation": 384, "test": 640}
FIRST_SEED: dict[Split, int] = {"train": 0, "validation": 10_000_000, "test": 20_000_000}
"""Far apart, so that no two splits share a scene."""
FRAME_SIDE = 32
_CHUNK = 32
_RENDERED_BY = ("scene.py", "paint.py", "render.py", "sound.py")
_ASKED_BY = ("questions.py", "dataset.py")


def seeds(split: Split) -> range:
    """The scene seeds of a split."""
    return range(FIRST_SEED[split], FIRST_SEED[split] + SIZES[split])


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
    # Mapped anew for each clip: a mapping that stays open would count as memory of the run, page by page.
    folder = _folder(kind)
    frames, sound = (np.load(folder / f"{split}-{part}.npy", mmap_mode="r") for part in ("frames", "sound"))
    return np.array(frames[index]), np.array(sound[index])


@cache
def _folder(kind: Kind) -> Path:
    root = os.environ.get("AVBENCH_CACHE") or Path.home() / ".cache" / "av-adapter-bench"
    return Path(root) / f"synthetic-{_digest(*_RENDERED_BY)}-{kind}"


def _digest(*names: str) -> str:
    sources = [Path(__file__).with_name(name).read_bytes() for name in names]
    sizes = repr((SIZES, FIRST_SEED, FRAME_SIDE)).encode()
    return hashlib.sha256(b"\0".join([*sources, sizes])).hexdigest()[:8]


def _render_all(kind: Kind, folder: Path, report: Callable[[int, int], None] | None) -> None:
    jobs = [(split, start) for split in SIZES for start in range(0, SIZES[split], _CHUNK)]
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}-partial-"))
    try:
        for split, size in SIZES.items():
            _create(partial, split, size)
        with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("forkserver")) as pool:
            done = 0
            for count in pool.map(_render_chunk, *zip(*[(kind, partial, *job) for job in jobs], strict=True)):
                done += count
                if report:
                    report(done, sum(SIZES.values()))
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _create(folder: Path, split: Split, size: int) -> None:
    frames = (size, SEGMENTS, 3, FRAME_SIDE, FRAME_SIDE)
    np.lib.format.open_memmap(folder / f"{split}-frames.npy", "w+", np.uint8, frames)
    np.lib.format.open_memmap(folder / f"{split}-sound.npy", "w+", np.int16, (size, SEGMENTS, SAMPLE_RATE))


def _render_chunk(kind: Kind, folder: Path, split: Split, start: int) -> int:
    frames = np.load(folder / f"{split}-frames.npy", mmap_mode="r+")
    sound = np.load(folder / f"{split}-sound.npy", mmap_mode="r+")
    stop = min(start + _CHUNK, len(frames))
    for i in range(start, stop):
        scene = make_scene(seeds(split)[i], kind=kind)
        frames[i] = render_frames(scene, FRAME_SIDE).transpose(0, 3, 1, 2)
        sound[i] = np.round(render_sound(scene).reshape(SEGMENTS, SAMPLE_RATE) * 32767)
    return stop - start
