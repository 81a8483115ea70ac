"""A clip from a folder of pictures and a sound file: the layout that the papers' own scripts extract."""

from __future__ import annotations

import io
import math
import os
import struct
from pathlib import Path
from typing import cast

import av
import numpy as np
import torch
from PIL import Image

from registry.vocabulary import SAMPLE_RATE
from tasks.media.clip import Clip, windows
from tasks.media.errors import damaged, naming
from tasks.media.files import leads_outside
from tasks.media.pictures import UPRIGHT, Turn, seen_size, stack_pictures, to_rgb
from tasks.media.sampling import MIDDLE, Sampling
from tasks.media.sound import SoundCollector
from tasks.media.tracks import heard_track, open_media, origin_of, tick_of, timed_packets

PICTURES = (".jpg", ".jpeg", ".png")
"""Their suffixes. Which codec a picture is in its first bytes tell."""
_CODECS = {b"\xff\xd8\xff": "mjpeg", b"\x89PNG\r\n\x1a\n": "png"}
_ORIENTATION = 0x0112
_TURNS: dict[int, Turn] = {
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}
"""By EXIF orientation."""
_ENDLESS = float("inf")


def read_frames(
    frames: str | Path | tuple[Path, ...],
    sound: str | Path | None,
    segments: int,
    seconds: float | None = None,
    size: int | None = None,
    sampling: Sampling = MIDDLE,
) -> Clip:
    """Read a clip from a folder of pictures, or from the pictures themselves, and a sound file.

    The pictures, of a folder in order of name, are taken to be spread evenly over the clip, whatever their number; the
    clip lasts `seconds`, or without it as long as the sound. Everything else follows the rules of
    `tasks.media.decode`.

    Raises:
        MediaError: no picture in the folder, or a file that cannot be decoded.
    """
    samples = read_sound(Path(sound)) if sound else np.zeros(0, np.float32)
    length = seconds or len(samples) / SAMPLE_RATE or segments * sampling.window
    if sampling.rule == "published":
        # Their windows lie in all the sound that the file has, and nothing else asks for the length.
        length = math.inf
    pictures = list_pictures(frames)
    chosen = [pictures[place] for place in sampling.pictures(len(pictures), segments)]
    heard = windows(samples, 0.0, length, segments, sampling)
    return Clip(_read_pictures(chosen, size), heard, sound is not None)


def read_sound(path: Path) -> np.ndarray:
    """All sound of a file at 16 kHz, one channel: -> (samples,) float32.

    Raises:
        MediaError: the file is missing, damaged or without sound.
    """
    with naming(path), open_media(path) as container:
        track = heard_track(container)
        if track is None:
            raise damaged(path, "it has no sound track")
        sound, origin, tick = SoundCollector(_ENDLESS), origin_of(container), tick_of(track)
        for packet in timed_packets(container):
            if packet.stream.index == track.index:
                for frame in cast(list[av.AudioFrame], packet.decode()):
                    sound.offer(frame, None if frame.pts is None else frame.pts * tick - origin)
        return sound.samples()


def list_pictures(frames: str | Path | tuple[Path, ...]) -> list[Path]:
    """The pictures of a folder, in their order; pictures that are named one by one stay as they are.

    Raises:
        MediaError: there is none.
    """
    if isinstance(frames, tuple):
        return list(frames)
    folder = Path(frames)
    with naming(folder):
        with os.scandir(folder) as entries:
            seen = [entry for entry in entries if is_picture(entry.name)]
        for entry in seen:
            if entry.is_symlink() and leads_outside(Path(entry.path), folder):
                raise damaged(folder, f"its picture {entry.name} is a link that leads out of it")
        # A pipe would be waited for.
        found = [Path(entry.path) for entry in seen if entry.is_file()]
    if not found:
        raise damaged(folder, "it holds no .jpg or .png picture")
    # Names of unequal length, 1.jpg … 10.jpg, are numbers without leading zeros.
    return sorted(found, key=lambda path: (len(path.stem), path.stem))


def is_picture(name: str) -> bool:
    """Whether a file's name is that of a picture; names that begin with a dot are notes of the system's own."""
    return not name.startswith(".") and name.lower().endswith(PICTURES)


def _read_pictures(paths: list[Path], size: int | None) -> torch.Tensor:
    shape = (size, size) if size else None
    read = []
    for path in paths:
        frame, turn = _read_picture(path)
        shape = shape or seen_size(frame, turn)
        read.append(to_rgb(frame, shape, turn))
    return stack_pictures(read)


def _read_picture(path: Path) -> tuple[av.VideoFrame, Turn]:
    with naming(path):
        content = path.read_bytes()
        codec = next((codec for first, codec in _CODECS.items() if content.startswith(first)), None)
        if codec is None:
            raise damaged(path, "it is neither a JPEG nor a PNG picture" if content else "it is empty")
        decoder = cast(av.VideoCodecContext, av.CodecContext.create(codec, "r"))
        frames = [*decoder.decode(av.Packet(content)), *decoder.decode(None)]
    if not frames:
        raise damaged(path, "it is not a whole picture")
    return frames[0], _turn_of_camera(content)


def _turn_of_camera(content: bytes) -> Turn:
    """What the EXIF notes of a picture say, as cameras and viewers have it; damaged notes say nothing."""
    if b"Exif\0\0" not in content and b"eXIf" not in content:
        return UPRIGHT
    try:
        with Image.open(io.BytesIO(content)) as picture:
            return _TURNS.get(picture.getexif().get(_ORIENTATION, 1), UPRIGHT)
    except (OSError, ValueError, SyntaxError, struct.error):
        return UPRIGHT
