"""Finds the media of a clip by its id, in any of the layouts in use."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from registry.errors import DataError
from registry.files import user_path
from tasks.media.clip import Clip
from tasks.media.errors import shortened
from tasks.media.files import leads_outside
from tasks.media.frames import PICTURES
from tasks.media.recording import FileRecording, Recording
from tasks.media.sampling import MIDDLE, Sampling
from tasks.media.store import open_store

_VIDEO_FOLDERS = (
    "videos", "AVE", "MUSIC-AVQA-videos-Real", "MUSIC-AVQA-videos-Synthetic", "LLP_dataset/video",
    "data/LLP_dataset/video", "",
)  # fmt: skip
VIDEO_SUFFIXES = (
    ".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".flv", ".wmv", ".3gp",
    ".ogv",
)  # fmt: skip
_FRAME_FOLDER, _SOUND_FOLDER = "video_frames", "raw_audio"
SOUND_SUFFIXES = (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".aiff", ".aif")
_TASK_FOLDERS = ("ave", "llp", "music_avqa", "vggsound")
"""Of a sample of several tasks."""
# No separators and no leading dot, so that an id cannot name anything outside of its folder.
_ID = re.compile(r"[\w-][\w.-]*")


def find_data_root(path: str | Path, task_folder: str) -> Path:
    """The folder of one data set: `path/task_folder` where that exists (an exported sample), else `path` itself.

    Raises:
        UserError: `path` is not a folder.
    """
    root = user_path(path)
    if not root.is_dir():
        raise DataError(f"data folder {root} does not exist; give an existing one, or data=synthetic.")
    if (root / task_folder).is_dir():
        return root / task_folder
    # Archives hold their content in a folder, and are unpacked into another.
    found = [entry for entry in root.iterdir() if not entry.name.startswith((".", "__MACOSX"))]
    is_unpacked = len(found) == 1 and found[0].is_dir() and not found[0].is_symlink()
    return found[0] if is_unpacked and found[0].name not in _TASK_FOLDERS else root


class Library(Protocol):
    """The clips of a data set, looked up by name."""

    @property
    def suffix(self) -> str:
        """What a data identity says of prepared clips; empty for the files themselves."""

    @property
    def side(self) -> int | None:
        """Side of the frames of prepared clips; None for files, whose frames are fitted to any."""

    def find(self, clip: str, seconds: float | None = None) -> Recording:
        """The recording of a clip, whether or not it is present.

        Raises:
            UserError: the id is not a plain file name.
        """

    def missing(self, clips: Iterable[str]) -> list[str]:
        """Those of the clips that are missing or empty, each once; nothing is decoded.

        Raises:
            UserError: an id that is not a plain file name.
        """

    def require(self, clips: Iterable[str]) -> None:
        """Check that no clip is missing.

        Raises:
            UserError: an id that is not a plain file name, or a list of what is missing.
        """

    def read(
        self,
        clip: str,
        segments: int,
        seconds: float | None = None,
        size: int | None = None,
        sampling: Sampling = MIDDLE,
    ) -> Clip:
        """Read a clip; see `decode_clip` for arguments and rules.

        Raises:
            UserError: no such clip, or (as MediaError) one that cannot be decoded.
        """


def open_library(root: Path, sampling: Sampling = MIDDLE) -> Library:
    """The clips under a data set's folder: a prepared store, or files.

    Raises:
        UserError: a store that is unfinished or damaged, or was prepared with another sampling.
    """
    if store := open_store(root):
        store.index.shape.require(sampling, root)
        return store
    return MediaFolder(root)


@dataclass
class MediaFolder:
    """The clips under a data set's folder as files.

    Layouts, in this order: `videos/<id>.mp4` or `videos/<id>/<any name>.mp4` (or `AVE/`, `MUSIC-AVQA-videos-*/`, the
    folder itself; also .mkv, .webm and other suffixes of video), and `video_frames/<id>/0001.jpg…` or CAV-MAE's
    `video_frames/frame_0/<id>.jpg`, `frame_1/<id>.jpg`, … with `raw_audio/<id>.wav` (or .flac, .mp3, …). The folders
    are listed once. These folders may be links to other places; what an id names in them may not lead out of them.
    """

    root: Path
    suffix: str = field(init=False, default="")
    side: int | None = field(init=False, default=None)
    _videos: dict[str, Path] = field(init=False, repr=False)
    _frames: dict[str, Path | tuple[Path, ...]] = field(init=False, repr=False)
    _sounds: dict[str, Path] = field(init=False, repr=False)
    _links: set[str] = field(init=False, repr=False)
    """Clips whose media are links that lead out of the folder."""

    def __post_init__(self) -> None:
        self._videos = {}
        self._links = set()
        for folder in reversed(_VIDEO_FOLDERS):
            if folder:
                self._videos |= _list_inside(self.root / folder, VIDEO_SUFFIXES)
            self._videos |= _list_files(self.root / folder, VIDEO_SUFFIXES)
            self._links |= _list_links(self.root / folder)
        self._links |= _list_links(self.root / _FRAME_FOLDER)
        self._sounds = _list_files(self.root / _SOUND_FOLDER, SOUND_SUFFIXES)
        self._frames = {**_list_numbered(self.root / _FRAME_FOLDER), **_list_folders(self.root / _FRAME_FOLDER)}

    def find(self, clip: str, seconds: float | None = None) -> FileRecording:
        _check_id(clip)
        if clip in self._videos:
            return FileRecording(clip, video=self._videos[clip], seconds=seconds)
        if clip in self._frames:
            return FileRecording(clip, frames=self._frames[clip], sound=self._sounds.get(clip), seconds=seconds)
        return FileRecording(clip, seconds=seconds, leads_out=clip in self._links)

    def missing(self, clips: Iterable[str]) -> list[str]:
        recordings = [self.find(clip) for clip in dict.fromkeys(clips)]
        return [recording.name for recording in recordings if not recording.present]

    def require(self, clips: Iterable[str]) -> None:
        unique = dict.fromkeys(clips)
        if links := [clip for clip in unique if self.find(clip).leads_out]:
            raise DataError(
                f"media of {len(links)} of {len(unique)} clips under {self.root} are links that lead out of it: "
                f"{shortened(links)}; copy the files that they point to into their places."
            )
        if missing := self.missing(unique):
            raise DataError(
                f"media of {len(missing)} of {len(unique)} clips are missing or empty under {self.root}: "
                f"{shortened(missing)}; expected videos/<id>.mp4, or {_FRAME_FOLDER}/<id>/ with "
                f"{_SOUND_FOLDER}/<id>{SOUND_SUFFIXES[0]}. allow_missing=True leaves them out and counts them."
            )

    def read(
        self,
        clip: str,
        segments: int,
        seconds: float | None = None,
        size: int | None = None,
        sampling: Sampling = MIDDLE,
    ) -> Clip:
        recording = self.find(clip, seconds)
        if not (recording.video or recording.frames):
            raise DataError(f"media of clip {clip} are missing under {self.root}.")
        return recording.read(segments, size, sampling)


def _check_id(clip: str) -> None:
    if not _ID.fullmatch(clip):
        raise DataError(f"clip id {clip!r} is not a plain name (letters, digits, '-', '_', '.'); mend the annotations.")


def _list_files(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    # A clip that is there with two suffixes is taken in the order of the suffixes.
    paths = [Path(e.path) for e in _entries(folder) if Path(e.name).suffix.lower() in suffixes and e.is_file()]
    paths.sort(key=lambda path: suffixes.index(path.suffix.lower()), reverse=True)
    return {path.stem: path for path in paths}


def _list_inside(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """The one file of each folder of this folder, by the inner folder's name."""
    found = {entry.name: list(_list_files(Path(entry.path), suffixes).values()) for entry in _folders(folder)}
    return {name: files[0] for name, files in found.items() if len(files) == 1}


def _list_links(folder: Path) -> set[str]:
    """The names, without suffix, of links that lead out of a folder."""
    if not folder.is_dir():
        return set()
    with os.scandir(folder) as entries:
        return {Path(e.name).stem for e in entries if e.is_symlink() and leads_outside(Path(e.path), folder)}


def _list_folders(folder: Path) -> dict[str, Path]:
    return {entry.name: Path(entry.path) for entry in _folders(folder)}


def _folders(folder: Path) -> list[os.DirEntry[str]]:
    return [entry for entry in _entries(folder) if entry.is_dir()]


def _list_numbered(folder: Path) -> dict[str, tuple[Path, ...]]:
    """The pictures of each clip, where a folder holds the first of all clips, the next one the second of all, …"""
    numbered: dict[str, tuple[Path, ...]] = {}
    for number in itertools.count():
        if not (place := folder / f"frame_{number}").is_dir():
            return numbered
        for clip, picture in _list_files(place, PICTURES).items():
            numbered[clip] = (*numbered.get(clip, ()), picture)
    return numbered


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder, without links that lead out of it and what systems leave there under names with a dot."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        seen = [entry for entry in entries if not entry.name.startswith(".")]
    return [e for e in seen if not (e.is_symlink() and leads_outside(Path(e.path), folder))]
