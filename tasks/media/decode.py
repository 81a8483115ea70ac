"""A video file becomes a clip: one sequential pass through the file, without seeking.

Rules, for whatever the file holds:
- the clip lasts `seconds`, or without it to where the file says it ends; time 0 is where the file's first track starts;
- of each segment the frame on screen at its middle is taken, whatever the frame rate;
- a video that is shorter than the clip holds its last frame, and a shorter sound is followed by silence;
- sound of any rate and layout is resampled to 16 kHz and becomes the mean of its channels; without a track: silence;
- a file or track that ends more than half a second before its header says is damaged; so is any decoding error.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

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
    path: str | Path,
    segments: int,
    seconds: float | None = None,
    size: int | None = None,
    window: float = 1.0,
    start: float = 0.0,
) -> Clip:
    """Decode a video file into the segments of a clip, by the rules above.

    Args:
        segments: T.
        seconds: length of the clip; what the file has beyond it is left out. None takes the whole file.
        size: side of the square that frames are fitted to (bicubic; the aspect ratio is not kept, as in AVE and
            MUSIC-AVQA loaders). None keeps the size of the first frame taken.
        window: seconds of sound for each segment.
        start: where in the file the clip begins, in seconds.

    Returns:
        frames (T, 3, h, w) and waveform (T, window * 16000).

    Raises:
        MediaError: the file is missing, damaged or without video.
    """
    path = Path(path)
    with naming(path), open_media(path) as container:
        if not container.streams.video:
            raise damaged(path, "it has no video track")
        rest = (_announced(container) or _scanned(path)) - start if start or not seconds else seconds
        if rest <= 0:
            raise damaged(path, f"it ends before {start:g} s" if start else "it is empty")
        length = seconds or rest
        moments = [start + middle for middle in middles(length, segments)]
        pictures, sound = FramePicker(moments, size), SoundCollector(start + length)
        read_tracks(path, container, start + length, pictures, sound)
        if not pictures.taken and pictures.held is None:
            raise damaged(path, "it has no decodable frame")
        heard = windows(sound.samples(), sound.begin - start, length, segments, window)
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
        self.found = False
        self._resampler = av.AudioResampler(format="fltp", rate=SAMPLE_RATE)
        self._pieces: list[np.ndarray] = [np.zeros(0, dtype=np.float32)]

    def offer(self, frame: av.AudioFrame, time: float) -> None:
        """Add the next piece of sound, which begins at `time`; only the first piece's time is used."""
        if time >= self.length:
            return
        if not self.found:
            self.begin, self.found = time, True
        self._add(frame)

    def samples(self) -> np.ndarray:
        """All sound so far: -> (samples,) float32.

        Raises:
            ValueError: the sound holds infinities or NaN.
        """
        if self.found:
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
    for track in tracks:
        if track.codec_context is None:
            raise damaged(path, f"its {track.type} is in a format that FFmpeg does not know")
        # Loaders decode in several processes already.
        track.codec_context.thread_count = 1
    origin = (container.start_time or 0) / av.time_base
    ends = {track.index: 0.0 for track in tracks}
    for packet in container.demux(tracks):
        track = packet.stream
        ends[track.index] = max(ends[track.index], _end(packet) - origin)
        for frame in packet.decode() if track.type == "audio" or not pictures.done else ():
            if isinstance(frame, av.VideoFrame):
                pictures.offer(frame, _begin(frame) - origin)
            elif isinstance(frame, av.AudioFrame):
                sound.offer(frame, _begin(frame) - origin)
        if pictures.done and min(ends.values()) > length + 1:
            return
    said = {f"its {track.type}": (ends[track.index], _seconds(track.duration, track.time_base)) for track in tracks}
    # Matroska tells the length of the whole file only.
    said["it"] = (max(ends.values()), _announced(container))
    for what, (end, announced) in said.items():
        if end < min(length, announced) - _TOLERANCE:
            raise damaged(path, f"{what} ends at {end:.1f} of {announced:.1f} s")


def _begin(frame: av.VideoFrame | av.AudioFrame) -> float:
    # AVI files carry decoding times only.
    return _seconds(frame.dts if frame.pts is None else frame.pts, frame.time_base)


def _end(packet: av.Packet) -> float:
    begin = packet.dts if packet.pts is None else packet.pts
    return 0.0 if begin is None else _seconds(begin + (packet.duration or 0), packet.time_base)


def _seconds(ticks: int | None, time_base: Fraction | None) -> float:
    return float(ticks * time_base) if ticks and time_base else 0.0


def _announced(container: av.container.InputContainer) -> float:
    return (container.duration or 0) / av.time_base


def _scanned(path: Path) -> float:
    """The end of the last packet: for files whose header does not say how long they are."""
    with open_media(path) as container:
        return max(map(_end, container.demux()), default=0.0) - (container.start_time or 0) / av.time_base
