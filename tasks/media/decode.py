"""A video file becomes a clip: one sequential pass through the file, without seeking.

Rules, for whatever the file holds:
- the clip lasts `seconds`, or without it as long as the file says; time 0 is where the file's first track starts;
- of each segment the frame on screen at its middle is taken, whatever the frame rate;
- a video that is shorter than the clip holds its last frame, and a shorter sound is followed by silence;
- sound of any rate and layout is resampled to 16 kHz and becomes the mean of its channels; without a track: silence;
- a track that ends more than half a second before its own header says is a damaged file, and so is any decoding error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from registry.vocabulary import SAMPLE_RATE
from tasks.media.clip import Clip, middles, windows
from tasks.media.errors import damaged, naming

# Left open, FFmpeg would follow what a file says it is: a play list, for one, reads other files.
_OPTIONS = {
    "format_whitelist": "mov,mp4,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,wav,flac,mp3",
    "protocol_whitelist": "file",
}
_TOLERANCE = 0.5
_ROUNDING = 1e-6


def decode_clip(
    path: str | Path, segments: int, seconds: float | None = None, size: int | None = None, window: float = 1.0
) -> Clip:
    """Decode a video file into the segments of a clip, by the rules above.

    Args:
        segments: T.
        seconds: length of the clip; what the file has beyond it is left out. None takes the whole file.
        size: side of the square that frames are fitted to (bicubic; the aspect ratio is not kept, as in AVE and
            MUSIC-AVQA loaders). None keeps the size of the first frame taken.
        window: seconds of sound for each segment.

    Returns:
        frames (T, 3, h, w) and waveform (T, window * 16000).

    Raises:
        MediaError: the file is missing, damaged or without video.
    """
    path = Path(path)
    with naming(path), open_media(path) as container:
        if not container.streams.video:
            raise damaged(path, "it has no video track")
        length = seconds or _announced(container) or _scanned(path)
        if length <= 0:
            raise damaged(path, "it is empty")
        pictures, sound = FramePicker(middles(length, segments), size), SoundCollector(length)
        read_tracks(path, container, length, pictures, sound)
        if not pictures.taken and pictures.held is None:
            raise damaged(path, "it has no decodable frame")
        heard = windows(sound.samples(), sound.begin, length, segments, window)
        return Clip(pictures.finish(), heard, sound.found)


def open_media(path: Path) -> av.container.InputContainer:
    """Open a file for reading as media, never as a list of other files."""
    return av.open(f"file:{path}", container_options=_OPTIONS)


class FramePicker:
    """Takes the frame on screen at each wanted moment from frames that arrive in order."""

    def __init__(self, moments: list[float], size: int | None) -> None:
        self.moments = moments
        self.size = (size, size) if size else None
        self.held: av.VideoFrame | None = None
        self.taken: list[np.ndarray] = []

    @property
    def done(self) -> bool:
        """Whether no later frame is wanted."""
        return len(self.taken) == len(self.moments)

    def offer(self, frame: av.VideoFrame, time: float) -> None:
        """Look at the next frame, on screen from `time` on."""
        while not self.done and time > self.moments[len(self.taken)] + _ROUNDING:
            self._take(self.held or frame)
        self.held = frame

    def finish(self) -> torch.Tensor:
        """Hold the last frame to the end: -> (T, 3, h, w) uint8."""
        while not self.done and self.held is not None:
            self._take(self.held)
        return torch.from_numpy(np.stack(self.taken)).permute(0, 3, 1, 2).contiguous()

    def _take(self, frame: av.VideoFrame) -> None:
        self.size = self.size or (frame.height, frame.width)
        self.taken.append(to_rgb(frame, self.size))


def to_rgb(frame: av.VideoFrame, size: tuple[int, int]) -> np.ndarray:
    """A decoded frame as (h, w, 3) uint8."""
    # One thread: starting FFmpeg's own for each small frame takes longer than the scaling.
    return frame.to_ndarray(format="rgb24", height=size[0], width=size[1], interpolation="BICUBIC", threads=1)


class SoundCollector:
    """Gathers decoded sound at 16 kHz as the mean of its channels, up to the length of the clip."""

    def __init__(self, length: float) -> None:
        self.length = length
        self.begin = 0.0
        self._resampler = av.AudioResampler(format="fltp", rate=SAMPLE_RATE)
        self._pieces: list[np.ndarray] = []

    @property
    def found(self) -> bool:
        """Whether any sound was decoded."""
        return bool(self._pieces)

    def offer(self, frame: av.AudioFrame, time: float) -> None:
        """Add the next piece of sound, which begins at `time`; only the first piece's time is used."""
        if not self.found:
            self.begin = time
        if time < self.length:
            self._add(frame)

    def samples(self) -> np.ndarray:
        """All sound so far: -> (samples,) float32.

        Raises:
            ValueError: the sound holds infinities or NaN.
        """
        if not self.found:
            return np.zeros(0, dtype=np.float32)
        self._add(None)
        sound = np.concatenate(self._pieces)
        if not np.isfinite(sound).all():
            raise ValueError("its sound holds values that are not finite numbers")
        return sound

    def _add(self, frame: av.AudioFrame | None) -> None:
        self._pieces += [part.to_ndarray().mean(axis=0) for part in self._resampler.resample(frame)]


def read_tracks(
    path: Path, container: av.container.InputContainer, length: float, pictures: FramePicker, sound: SoundCollector
) -> None:
    """Decode the first video and sound track into their collectors, and check that neither breaks off.

    Raises:
        MediaError: a track ends before its header says.
    """
    tracks = [*container.streams.video[:1], *container.streams.audio[:1]]
    # Loaders decode in several processes already.
    for track in tracks:
        track.codec_context.thread_count = 1
    origin = (container.start_time or 0) / av.time_base
    ends = dict.fromkeys((track.index for track in tracks), 0.0)
    for packet in container.demux(tracks):
        track = packet.stream
        if packet.pts is not None:
            ends[track.index] = max(ends[track.index], _seconds(track, packet.pts + (packet.duration or 0)) - origin)
        if track.type == "video" and not pictures.done:
            for frame in packet.decode():
                pictures.offer(frame, (frame.time or 0.0) - origin)
        elif track.type == "audio":
            for frame in packet.decode():
                sound.offer(frame, (frame.time or 0.0) - origin)
        if min(ends.values()) > length + 1 and pictures.done:
            return
    for track in tracks:
        said = min(length, _seconds(track, track.duration or 0))
        if ends[track.index] < said - _TOLERANCE:
            raise damaged(path, f"its {track.type} ends at {ends[track.index]:.1f} of {said:.1f} s")


def _seconds(track: Any, ticks: int) -> float:
    return float(ticks * track.time_base) if track.time_base else 0.0


def _announced(container: av.container.InputContainer) -> float:
    return (container.duration or 0) / av.time_base


def _scanned(path: Path) -> float:
    """The end of the last packet: for files whose header does not say how long they are."""
    with open_media(path) as container:
        ends = [_seconds(p.stream, p.pts + (p.duration or 0)) for p in container.demux() if p.pts is not None]
        return max(ends, default=0.0) - (container.start_time or 0) / av.time_base
