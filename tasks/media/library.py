"""Finds the media of a clip by its id, in any of the layouts in use."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from registry.errors import UserError
from tasks.media.clip import Clip
from tasks.media.decode import decode_clip
from tasks.media.frames import read_frames

_VIDEO_FOLDERS = ("videos", "AVE", "MUSIC-AVQA-videos-Real", "MUSIC-AVQA-videos-Synthetic", "")
_VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov")
_FRAME_FOLDER, _SOUND_FOLDER, _SOUND_SUFFIX = "video_frames", "raw_audio", ".wav"
# No separators and no leading dot, so that an id cannot name anything outside of its folder.
_ID = re.compile(r"[\w-][\w.-]*")
_SHOWN = 5


def find_data_root(path: str | Path, task_folder: str) -> Path:
    """The folder of one data set: `path/task_folder` where that exists (an exported sample), else `path` itself.

    Raises:
        UserError: `path` is not a folder.
    """
    root = Path(path).expanduser()
    if not root.is_dir():
        raise UserError(f"data folder {root} does not exist; give an existing one, or data=synthetic.")
    return root / task_folder if (root / task_folder).is_dir() else root


@dataclass
class MediaFolder:
    """The clips under a data set's folder, looked up by id.

    Layouts, in this order: `videos/<id>.mp4` (or `AVE/`, `MUSIC-AVQA-videos-*/`, the folder itself; also .mkv, .webm,
    .avi, .mov), and `video_frames/<id>/0001.jpg…` with `raw_audio/<id>.wav`. The folders are listed once.
    """

    root: Path
    _videos: dict[str, Path] = field(init=False, repr=False)
    _frames: dict[str, Path] = field(init=False, repr=False)
    _sounds: dict[str, Path] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._videos = {}
        for folder in reversed(_VIDEO_FOLDERS):
            self._videos |= _list_files(self.root / folder, _VIDEO_SUFFIXES)
        self._sounds = _list_files(self.root / _SOUND_FOLDER, (_SOUND_SUFFIX,))
        self._frames = _list_folders(self.root / _FRAME_FOLDER)

    def require(self, ids: Iterable[str]) -> None:
        """Check that every clip is there and not empty, without decoding.

        Raises:
            UserError: an id that is not a plain file name, or a list of what is missing.
        """
        unique = dict.fromkeys(ids)
        for clip in unique:
            _check_id(clip)
        missing = [clip for clip in unique if not self._present(clip)]
        if missing:
            shown = ", ".join(missing[:_SHOWN]) + (" …" if len(missing) > _SHOWN else "")
            raise UserError(
                f"media of {len(missing)} of {len(unique)} clips are missing or empty under {self.root}: {shown}; "
                f"expected videos/<id>.mp4, or {_FRAME_FOLDER}/<id>/ with {_SOUND_FOLDER}/<id>{_SOUND_SUFFIX}."
            )

    def read(self, clip: str, segments: int, seconds: float | None = None, size: int | None = None) -> Clip:
        """Decode a clip; see `decode_clip` for arguments and rules.

        Raises:
            UserError: no such clip, or (as MediaError) one that cannot be decoded.
        """
        _check_id(clip)
        if clip in self._videos:
            return decode_clip(self._videos[clip], segments, seconds, size)
        if clip in self._frames:
            return read_frames(self._frames[clip], self._sounds.get(clip), segments, seconds, size)
        raise UserError(f"media of clip {clip} are missing under {self.root}.")

    def _present(self, clip: str) -> bool:
        if clip in self._videos:
            return self._videos[clip].stat().st_size > 0
        return clip in self._frames


def _check_id(clip: str) -> None:
    if not _ID.fullmatch(clip):
        raise UserError(f"clip id {clip!r} is not a plain name (letters, digits, '-', '_', '.'); mend the annotations.")


def _list_files(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    # A clip that is there with two suffixes is taken in the order of the suffixes.
    paths = [Path(e.path) for e in os.scandir(folder) if Path(e.name).suffix.lower() in suffixes and e.is_file()]
    paths.sort(key=lambda path: suffixes.index(path.suffix.lower()), reverse=True)
    return {path.stem: path for path in paths}


def _list_folders(folder: Path) -> dict[str, Path]:
    return {e.name: Path(e.path) for e in os.scandir(folder) if e.is_dir()} if folder.is_dir() else {}
