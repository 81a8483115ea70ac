"""The clips of the procedural world, rendered once to disk and read from there by every run.

They lie in the folder of `registry.cache`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from registry.cache import cache_folder
from registry.errors import UserError
from registry.vocabulary import SAMPLE_RATE, SPLITS, Split
from tasks.record_file import Record, RecordFile, write_once
from tasks.synthetic.render import render_frames
from tasks.synthetic.scene import SEGMENTS, Kind, make_scene
from tasks.synthetic.sound import render_sound

VERSION = 1
"""Of the world: raise it whenever a scene, a rendered clip, a question or a split changes, so that numbers measured on
different worlds never mix and clips are rendered anew. A test holds recorded numbers of each version."""
SIZES: dict[Kind, dict[Split, int]] = {
    "event": {"train": 1024, "validation": 256, "test": 512},
    "ensemble": {"train": 1536, "validation": 256, "test": 512},
}
"""Clips. Events are learned from fewer, and the default grid has to stay short."""
FIRST_SEED: dict[Split, int] = {"train": 0, "validation": 10_000_000, "test": 20_000_000}
"""Far apart, so that no two splits share a scene."""
FRAME_SIDE = 32
_CHUNK = 8


def seeds(kind: Kind, split: Split) -> range:
    """The scene seeds of a split."""
    return range(FIRST_SEED[split], FIRST_SEED[split] + SIZES[kind][split])


def identity() -> str:
    """`synthetic@<version of the world>`"""
    return f"synthetic@{VERSION}"


def prepare(kind: Kind, report: Callable[[int, int], None] | None = None) -> None:
    """Render every split of a kind that is not on disk yet, on all cores; `report(done, total)` counts clips.

    Raises:
        UserError: the cache folder cannot be written.
    """
    cache_folder(make=True)
    folder, total, before = _folder(kind), sum(SIZES[kind].values()), 0
    # Not the fork server: there is one for the whole process, and cells want it started with their own imports.
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for split in SPLITS:
            tell = partial(_tell, report, before, total)
            try:
                write_once(folder / split, SIZES[kind][split], partial(_render_from, pool, kind, split, tell))
            except OSError as error:
                raise UserError(
                    f"cannot write rendered clips to {folder.parent} ({error.strerror or error}); "
                    "set AVBENCH_CACHE to a folder with 1.2 GB of free space."
                ) from None
            before += SIZES[kind][split]


def read(kind: Kind, split: Split, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames (T, 3, 32, 32) uint8 and waveform (T, 16000) int16 of one clip of a kind that `prepare` rendered."""
    clip = _opened(_folder(kind) / split).arrays(index)
    return clip["frames"], clip["sound"]


def render(kind: Kind, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The frames and the waveform of a scene, as `read` gives them."""
    scene = make_scene(seed, kind=kind)
    sound = np.round(render_sound(scene).reshape(SEGMENTS, SAMPLE_RATE) * 32767)
    return render_frames(scene, FRAME_SIDE).transpose(0, 3, 1, 2), sound.astype(np.int16)


def _folder(kind: Kind) -> Path:
    return cache_folder() / f"synthetic-{VERSION}-{kind}"


@cache
def _opened(folder: Path) -> RecordFile:
    return RecordFile(folder)


def _render_from(
    pool: ProcessPoolExecutor, kind: Kind, split: Split, tell: Callable[[int], None], start: int
) -> Iterator[Record]:
    drawn = seeds(kind, split)[start:]
    chunks = [drawn[first : first + _CHUNK] for first in range(0, len(drawn), _CHUNK)]
    for clips in pool.map(_render_all, repeat(kind), chunks):
        for frames, sound in clips:
            start += 1
            yield Record.of({"frames": frames, "sound": sound})
        tell(start)


def _render_all(kind: Kind, drawn: range) -> list[tuple[np.ndarray, np.ndarray]]:
    return [render(kind, seed) for seed in drawn]


def _tell(report: Callable[[int, int], None] | None, before: int, total: int, done: int) -> None:
    if report:
        report(before + done, total)
