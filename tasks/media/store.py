"""Prepared clips: decoded once, read at the speed of memory.

A store is a folder with the data set's annotation files as they were, `store.json` and `shards/00000.bin`, …. A shard
is a row of clips of equal size: of each the sound, (T, samples) float32, then the frames, (T, 3, size, size) uint8, in
the order of the machine that all current processors share (little-endian). The index tells each clip's place and the
CRC-32 of its bytes, which every reading checks. Nothing in a store is executed or names a file.

Shards are read, not mapped: a mapping of a shard that was cut short kills the process, and counts as its memory.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from registry.errors import DataError, UserError
from tasks.media.clip import Clip
from tasks.media.errors import MediaError, shortened
from tasks.media.sampling import MIDDLE, RULES, Sampling

INDEX = "store.json"
FORMAT = 1
_SOUND_BYTES = 4
_MEND = "run data prepare again, which mends it."


@dataclass(frozen=True)
class Shape:
    """What every clip of a store holds."""

    segments: int
    """T"""
    size: int
    """Side of the frames in pixels."""
    sampling: Sampling = MIDDLE

    @property
    def sound_bytes(self) -> int:
        return self.segments * self.sampling.samples * _SOUND_BYTES

    @property
    def clip_bytes(self) -> int:
        """Of one clip."""
        return self.sound_bytes + self.segments * 3 * self.size**2

    def require(self, sampling: Sampling, root: Path) -> None:
        """Check that the store in `root` has what this sampling takes.

        Raises:
            UserError: it was prepared with another one.
        """
        if sampling != self.sampling:
            raise UserError(
                f"store {root} was prepared with sampling={self.sampling.rule!r}, not {sampling.rule!r}; set that "
                "option or prepare another store."
            )

    def pack(self, clip: Clip) -> bytes:
        """A clip's bytes."""
        frames = clip.frames.contiguous().numpy().tobytes()
        packed = clip.waveform.contiguous().numpy().astype("<f4", copy=False).tobytes() + frames
        if len(packed) != self.clip_bytes:
            raise ValueError(f"a clip of {len(packed)} bytes does not fit {self}")
        return packed

    def unpack(self, packed: torch.Tensor, has_sound: bool) -> Clip:
        """A clip from its bytes, (bytes,) uint8, which it shares."""
        waveform = packed[: self.sound_bytes].view(torch.float32).view(self.segments, self.sampling.samples)
        frames = packed[self.sound_bytes :].view(self.segments, 3, self.size, self.size)
        return Clip(frames, waveform, has_sound)


@dataclass(frozen=True)
class Entry:
    """A clip of a shard."""

    name: str
    checksum: int
    """CRC-32 of its bytes."""
    has_sound: bool


@dataclass(frozen=True)
class Index:
    """What `store.json` says."""

    identity: str
    """Of the data set that was prepared."""
    manifest: str
    """Name of the manifest that was prepared; empty where there was none."""
    shape: Shape
    shards: tuple[tuple[Entry, ...], ...]
    left_out: Mapping[str, str]
    """Clips that were missing or damaged when the store was made, with the reason."""
    decoder: str = ""
    format: int = FORMAT

    def to_json(self) -> str:
        return json.dumps({**asdict(self), "shards": [pack_entries(shard) for shard in self.shards]}, indent=1) + "\n"


def shard_path(root: Path, number: int) -> Path:
    """Where a shard lies."""
    return root / "shards" / f"{number:05d}.bin"


def pack_entries(shard: Iterable[Entry]) -> list[list[Any]]:
    """Entries as JSON lists."""
    return [[entry.name, entry.checksum, entry.has_sound] for entry in shard]


def unpack_entries(rows: Any) -> tuple[Entry, ...]:
    """What `pack_entries` wrote.

    Raises:
        TypeError, ValueError: something else.
    """
    entries = []
    for name, checksum, has_sound in rows:
        if not (type(name) is str and type(checksum) is int and type(has_sound) is bool):
            raise ValueError(f"{[name, checksum, has_sound]!r:.80} is no clip")
        entries.append(Entry(name, checksum, has_sound))
    return tuple(entries)


def read_index(root: Path) -> Index:
    """The index of a store.

    Raises:
        UserError: there is none, or it is damaged or of another version.
    """
    path = root / INDEX
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if said["format"] != FORMAT:
            raise ValueError(f"format {said['format']!r}, this version reads {FORMAT}")
        shape = _read_shape(**said["shape"])
        shards = tuple(unpack_entries(rows) for rows in said["shards"])
        left_out = {str(name): str(reason) for name, reason in said["left_out"].items()}
        return Index(str(said["identity"]), str(said["manifest"]), shape, shards, left_out, str(said["decoder"]))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"store index {path} cannot be read ({reason}); run data prepare again.") from None


def _read_shape(segments: Any, size: Any, sampling: Mapping[str, Any] = MappingProxyType({})) -> Shape:
    shape = Shape(segments, size, Sampling(**sampling))
    rule, window = shape.sampling.rule, shape.sampling.window
    if not all(type(n) is int and n > 0 for n in (segments, size)) or rule not in RULES or not 0 < float(window) < 60:
        raise ValueError(f"{shape} is no shape")
    return shape


class ClipStore:
    """The clips of a store, looked up by name.

    Raises:
        UserError: an index that cannot be read.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.index = root, read_index(root)
        self._places = {
            entry.name: (number, row, entry)
            for number, shard in enumerate(self.index.shards)
            for row, entry in enumerate(shard)
        }

    @property
    def suffix(self) -> str:
        return f"+{self.index.shape.size}px"

    @property
    def side(self) -> int:
        return self.index.shape.size

    def find(self, clip: str, seconds: float | None = None) -> StoredRecording:
        if clip not in self._places:
            return StoredRecording(clip, self.index.shape)
        number, row, entry = self._places[clip]
        return StoredRecording(clip, self.index.shape, shard_path(self.root, number), row, entry)

    def missing(self, clips: Iterable[str]) -> list[str]:
        return [clip for clip in dict.fromkeys(clips) if clip not in self._places]

    def require(self, clips: Iterable[str]) -> None:
        unique = dict.fromkeys(clips)
        if missing := self.missing(unique):
            raise DataError(
                f"{len(missing)} of {len(unique)} clips are not in store {self.root}: {shortened(missing)}; prepare it "
                "again from whole data. allow_missing=True leaves them out and counts them."
            )

    def read(
        self,
        clip: str,
        segments: int,
        seconds: float | None = None,
        size: int | None = None,
        sampling: Sampling = MIDDLE,
    ) -> Clip:
        """A clip as it was prepared, in the store's own size.

        Raises:
            MediaError: no such clip, or its shard is damaged.
            UserError: the store has another number of segments.
        """
        return self.find(clip).read(segments, sampling=sampling)


def open_store(root: Path) -> ClipStore | None:
    """The store in a folder; None where there is none.

    Raises:
        UserError: it is unfinished, or its index cannot be read.
    """
    if (root / INDEX).exists():
        return ClipStore(root)
    if (root / "shards").is_dir():
        raise DataError(f"store {root} is not finished; run data prepare again, which continues.")
    return None


def read_row(path: Path, row: int, shape: Shape, entry: Entry) -> torch.Tensor:
    """The bytes of one clip of a shard, checked: -> (bytes,) uint8.

    Raises:
        MediaError: the shard is missing, cut short or changed.
    """
    packed = torch.empty(shape.clip_bytes, dtype=torch.uint8)
    memory = packed.numpy().data
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(row * shape.clip_bytes)
            read = file.readinto(memory)
    except OSError as error:
        raise MediaError(f"cannot read shard {path}: {error.strerror or error}; {_MEND}") from None
    if read != shape.clip_bytes or zlib.crc32(memory) != entry.checksum:
        raise MediaError(f"shard {path} is damaged at clip {entry.name}; {_MEND}")
    return packed


@dataclass(frozen=True)
class StoredRecording:
    """A clip of a store; without a shard it is missing."""

    name: str
    shape: Shape
    shard: Path | None = None
    row: int = 0
    entry: Entry | None = None

    @property
    def present(self) -> bool:
        return self.shard is not None and self.shard.is_file()

    def read(self, segments: int, size: int | None = None, sampling: Sampling = MIDDLE) -> Clip:
        if self.shard is None or self.entry is None:
            raise MediaError(f"clip {self.name} is not in the store.")
        if segments != self.shape.segments:
            raise UserError(
                f"store {self.shard.parents[1]} was prepared with {self.shape.segments} segments, not {segments}."
            )
        self.shape.require(sampling, self.shard.parents[1])
        return self.shape.unpack(read_row(self.shard, self.row, self.shape, self.entry), self.entry.has_sound)
