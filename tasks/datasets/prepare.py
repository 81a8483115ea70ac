"""Makes a store: every clip of a data set decoded once.

A shard is written under another name and renamed when it is whole, then its list of clips likewise, and the index last.
Killed at any moment and started again, the work continues: a shard that is whole is checked and kept. So a damaged
shard is mended by preparing again.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
from filelock import FileLock, Timeout

from registry.errors import UserError
from tasks.datasets.source import ClipSource as Source
from tasks.datasets.source import CountReport
from tasks.media.errors import shortened
from tasks.media.files import create, write_text
from tasks.media.parallel import run_all
from tasks.media.recording import Recording
from tasks.media.store import (
    INDEX,
    Entry,
    Index,
    Shape,
    StoredRecording,
    pack_entries,
    read_index,
    read_row,
    shard_path,
    unpack_entries,
)

SHARD_BYTES = 128 * 2**20
"""Of one shard, about; what one process has in hand, and what a kill loses of its work."""
_SMALLEST = 16


@dataclass(frozen=True)
class Prepared:
    """What came of it."""

    clips: int
    reused: int
    """Clips of shards that were whole already."""
    left_out: Mapping[str, str]
    """Clips that are missing or damaged, with the reason; without `allow_missing` the store is unfinished."""


@dataclass(frozen=True)
class _Job:
    """One shard to be made."""

    path: Path
    shape: Shape
    recordings: tuple[Recording, ...]
    data: str
    """Identity of the data set."""


@dataclass(frozen=True)
class _Shard:
    """A shard that was made, and the clips that could not be decoded."""

    entries: tuple[Entry, ...]
    failed: Mapping[str, str] = field(default_factory=dict)
    reused: bool = False


def prepare(
    source: Source,
    root: Path,
    size: int,
    workers: int,
    allow_missing: bool = False,
    report: CountReport | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> Prepared:
    """Make or finish a store of every clip of a source.

    Args:
        root: the store's folder: new, empty, unfinished, or finished from the same data at the same size.
        size: side of the frames in pixels.
        workers: processes; 0 decodes in this one.
        allow_missing: finish the store without clips that are missing or damaged.
        report: is told how many clips are done, of how many.

    Raises:
        UserError: clips are missing, the folder holds something else, the disk is full or cannot be written.
    """
    if size < _SMALLEST:
        raise UserError(f"size={size} is too small for pictures; give {_SMALLEST} or more.")
    shape = Shape(source.segments, size, source.sampling)
    recordings = {r.name: r for recordings in source.recordings().values() for r in recordings}
    if any(isinstance(recording, StoredRecording) for recording in recordings.values()):
        raise UserError("the data are a prepared store already; give the folder that it was made from.")
    missing = [name for name, recording in recordings.items() if not recording.present]
    if missing and not allow_missing:
        raise UserError(
            f"media of {len(missing)} of {len(recordings)} clips are missing or empty: {shortened(missing)}; "
            "data verify lists them, and --allow-missing leaves them out."
        )
    if len(missing) == len(recordings):
        raise UserError("media of all clips are missing; nothing can be prepared.")
    # Missing clips keep their places, so that those which turn up later change their own shards only.
    per_shard = max(1, shard_bytes // shape.clip_bytes)
    unique = list(recordings.values())
    parts = [tuple(unique[first : first + per_shard]) for first in range(0, len(unique), per_shard)]
    jobs = [_Job(shard_path(root, i), shape, part, source.identity()) for i, part in enumerate(parts)]
    try:
        return _with_lock(source, root, jobs, workers, allow_missing, report)
    except OSError as error:
        raise UserError(f"cannot write store {root}: {error.strerror or error}.") from None


def _with_lock(
    source: Source, root: Path, jobs: list[_Job], workers: int, allow_missing: bool, report: CountReport | None
) -> Prepared:
    shape = jobs[0].shape
    _check_folder(root, source, shape)
    (root / "shards").mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(root / ".lock", timeout=0):
            _check_space(root, jobs)
            shards = _make_shards(jobs, workers, report)
            left_out = {name: why for shard in shards for name, why in shard.failed.items()}
            if allow_missing or not left_out:
                _finish(source, root, shape, shards, left_out)
            entries = sum(len(shard.entries) for shard in shards)
            return Prepared(entries, sum(len(shard.entries) for shard in shards if shard.reused), left_out)
    except Timeout:
        raise UserError(f"another process is preparing store {root}.") from None


def _check_folder(root: Path, source: Source, shape: Shape) -> None:
    if (root / INDEX).exists():
        index = read_index(root)
        if (index.identity, index.shape) != (source.identity(), shape):
            raise UserError(
                f"store {root} holds {index.identity} at {index.shape.size} pixels with {index.shape.segments} "
                f"segments, not {source.identity()} at {shape.size} with {shape.segments}; give a new folder."
            )
    elif root.exists() and (not root.is_dir() or (any(root.iterdir()) and not (root / "shards").is_dir())):
        raise UserError(f"{root} holds other files; give a new folder.")


def _check_space(root: Path, jobs: list[_Job]) -> None:
    needed = sum(job.shape.clip_bytes * len(job.recordings) for job in jobs if not job.path.exists())
    free = shutil.disk_usage(root).free
    if needed > free:
        raise UserError(f"store {root} needs {needed / 2**30:.1f} GiB more, {free / 2**30:.1f} GiB are free.")


def _make_shards(jobs: list[_Job], workers: int, report: CountReport | None) -> list[_Shard]:
    made: dict[Path, _Shard] = {}
    done, total = 0, sum(len(job.recordings) for job in jobs)
    tell: Callable[[int, int], None] = report or (lambda done, total: None)
    tell(0, total)
    for job, shard in run_all(_make_shard, jobs, min(workers, len(jobs))):
        if shard is None:
            names = shortened([recording.name for recording in job.recordings])
            raise UserError(f"the decoder crashed on one of the clips {names}; data verify finds out which.")
        made[job.path] = shard
        done += len(job.recordings)
        tell(done, total)
    return [made[job.path] for job in jobs]


def _make_shard(job: _Job) -> _Shard:
    """Decode the clips of a shard, unless it is whole already."""
    if whole := _whole(job):
        return _Shard(whole, reused=True)
    entries, failed = [], {}
    partial = job.path.with_suffix(".partial")
    with create(partial) as file:
        for recording in job.recordings:
            try:
                clip = recording.read(job.shape.segments, job.shape.size, job.shape.sampling)
            except UserError as error:
                failed[recording.name] = str(error)
                continue
            packed = job.shape.pack(clip)
            file.write(packed)
            entries.append(Entry(recording.name, zlib.crc32(packed), clip.has_sound))
        file.flush()
        os.fsync(file.fileno())
    # The old list never lies beside the new shard.
    _list_path(job).unlink(missing_ok=True)
    os.replace(partial, job.path)
    # A shard without some of its clips is made again next time: they may have been mended by then.
    if not failed:
        write_text(_list_path(job), json.dumps({**_signature(job), "clips": pack_entries(entries)}) + "\n")
    return _Shard(tuple(entries), failed)


def _whole(job: _Job) -> tuple[Entry, ...] | None:
    """The clips of a shard that was made from the same recordings and is undamaged."""
    try:
        said = json.loads(_list_path(job).read_text(encoding="utf-8"))
        entries = unpack_entries(said.pop("clips"))
        if said != _signature(job):
            return None
        for row, entry in enumerate(entries):
            read_row(job.path, row, job.shape, entry)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, UserError):
        return None
    return entries


def _signature(job: _Job) -> dict[str, Any]:
    names = [recording.name for recording in job.recordings]
    return {"data": job.data, "segments": job.shape.segments, "size": job.shape.size, "of": names}


def _list_path(job: _Job) -> Path:
    return job.path.with_suffix(".json")


def _finish(source: Source, root: Path, shape: Shape, shards: list[_Shard], left_out: Mapping[str, str]) -> None:
    """Annotations, then the index, which makes the folder a store."""
    for place, file in source.annotation_files().items():
        target = root / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    name = source.identity().rpartition("@")[0] if "manifest.csv" in source.annotation_files() else ""
    decoder = f"PyAV {av.__version__}, libavcodec {'.'.join(map(str, av.library_versions['libavcodec']))}"
    index = Index(source.identity(), name, shape, tuple(shard.entries for shard in shards), dict(left_out), decoder)
    write_text(root / INDEX, index.to_json())
