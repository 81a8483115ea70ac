"""One clip of a data set: where its media are and which seconds of them it takes."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tasks.media.clip import Clip
from tasks.media.decode import decode_clip
from tasks.media.errors import MediaError
from tasks.media.frames import read_frames
from tasks.media.sampling import MIDDLE, Sampling


class Recording(Protocol):
    """What a clip is read from: files, or a prepared store."""

    @property
    def name(self) -> str:
        """Unique among the clips of a data set: an id, or a manifest's path and seconds."""

    @property
    def present(self) -> bool:
        """Whether there is something to read, which may still turn out to be damaged."""

    def read(self, segments: int, size: int | None = None, sampling: Sampling = MIDDLE) -> Clip:
        """The clip; see `decode_clip` for arguments and rules.

        Raises:
            UserError: missing, or (as MediaError) damaged.
        """


@dataclass(frozen=True)
class FileRecording:
    """A clip in a video file, or in a folder of pictures with a sound file beside it; without either it is missing."""

    name: str
    video: Path | None = None
    frames: Path | tuple[Path, ...] | None = None
    """A folder of pictures, or the pictures in their order."""
    sound: Path | None = None
    start: float = 0.0
    seconds: float | None = None
    """None is the whole file."""
    leads_out: bool = False
    """Whether it is missing because its media are links that lead out of the data's folder."""

    @property
    def present(self) -> bool:
        try:
            return bool(self.frames) or (self.video is not None and _holds_something(self.video))
        except OSError:
            return False

    def read(self, segments: int, size: int | None = None, sampling: Sampling = MIDDLE) -> Clip:
        if self.video:
            return decode_clip(self.video, segments, self.seconds, size, self.start, sampling)
        if self.frames:
            return read_frames(self.frames, self.sound, segments, self.seconds, size, sampling)
        raise MediaError(f"media of clip {self.name} are missing.")


def _holds_something(path: Path) -> bool:
    found = path.stat()
    # A pipe or a device would be waited for.
    return stat.S_ISREG(found.st_mode) and found.st_size > 0
