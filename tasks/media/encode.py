"""Writes a clip as an H.264 / AAC file."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from registry.vocabulary import SAMPLE_RATE

# Fixed so that a clip's bytes depend on the clip and FFmpeg's version alone.
_X264 = {"crf": "18", "preset": "veryfast", "threads": "1"}


def encode_clip(
    path: Path,
    frames: np.ndarray,
    fps: int | Fraction,
    sound: np.ndarray | None,
    rate: int = SAMPLE_RATE,
    options: Mapping[str, str] = _X264,
) -> None:
    """Write an mp4 file.

    Args:
        frames: (N, h, w, 3) uint8, RGB; height and width are even.
        fps: frames per second.
        sound: (samples,) or (channels, samples) float32 in [-1, 1]; None writes no sound track.
        rate: samples per second of `sound`.
        options: of x264.

    Raises:
        OSError: the file cannot be written.
    """
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=Fraction(fps), options=dict(options))
        video.height, video.width = frames.shape[1:3]
        video.pix_fmt = "yuv420p"
        voice = None if sound is None else _add_sound(container, np.atleast_2d(sound), rate)
        for picture in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))
        if voice and sound is not None:
            container.mux(voice.encode(_audio_frame(np.atleast_2d(sound), rate)))
            container.mux(voice.encode(None))


def _layout(sound: np.ndarray) -> str:
    return "mono" if len(sound) == 1 else "stereo"


def _add_sound(container: av.container.OutputContainer, sound: np.ndarray, rate: int) -> av.AudioStream:
    return container.add_stream("aac", rate=rate, layout=_layout(sound), bit_rate=64_000 * len(sound))


def _audio_frame(sound: np.ndarray, rate: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound, np.float32), format="fltp", layout=_layout(sound))
    frame.rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    return frame
