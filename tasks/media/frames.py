"""A clip from a folder of pictures and a sound file: the layout that the papers' own scripts extract."""

from __future__ import annotations

import math
from pathlib import Path
from typing import cast

import av
import numpy as np
import torch

from registry.vocabulary import SAMPLE_RATE
from tasks.media.clip import Clip, windows
from tasks.media.decode import SoundCollector, open_media, stack_pictures, to_rgb
from tasks.media.errors import damaged, naming
from tasks.media.sampling import MIDDLE, Sampling

_CODECS = {".jpg": "mjpeg", ".jpeg": "mjpeg", ".png": "png"}
PICTURES = tuple(_CODECS)
"""Their suffixes."""
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
        if not container.streams.audio:
            raise damaged(path, "it has no sound track")
        sound = SoundCollector(_ENDLESS)
        for frame in container.decode(audio=0):
            sound.offer(frame, 0.0)
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
        found = [path for path in folder.iterdir() if path.suffix.lower() in _CODECS]
    if not found:
        raise damaged(folder, "it holds no .jpg or .png picture")
    # Names of unequal length, 1.jpg … 10.jpg, are numbers without leading zeros.
    return sorted(found, key=lambda path: (len(path.stem), path.stem))


def _read_pictures(paths: list[Path], size: int | None) -> torch.Tensor:
    shape = (size, size) if size else None
    read = []
    for path in paths:
        frame = _read_picture(path)
        shape = shape or (frame.height, frame.width)
        read.append(to_rgb(frame, shape))
    return stack_pictures(read)


def _read_picture(path: Path) -> av.VideoFrame:
    with naming(path):
        decoder = cast(av.VideoCodecContext, av.CodecContext.create(_CODECS[path.suffix.lower()], "r"))
        frames = [*decoder.decode(av.Packet(path.read_bytes())), *decoder.decode(None)]
    if not frames:
        raise damaged(path, "it is not a whole picture")
    return frames[0]
