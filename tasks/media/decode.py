"""A video file becomes a clip: one sequential pass through the file, without seeking.

Rules, for whatever the file holds:
- the clip lasts `seconds`, or without it to where the file says it ends; time 0 is where the file's first track starts;
- of each segment the frame on screen at its middle (or as `tasks.media.sampling` says) is taken, at any frame rate;
- a video that is shorter than the clip holds its last frame, and a shorter sound is followed by silence;
- sound of any rate and layout is resampled to 16 kHz and becomes the mean of its channels; without a track: silence;
- a file or track that ends more than half a second before its header says is damaged; so is any decoding error.

Frames are those of a decoder that decodes everything. It need not: an H.264 picture that no other picture refers to and
that is on screen at none of the moments is left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import torch

from registry.vocabulary import SAMPLE_RATE
from tasks.media.clip import Clip, windows
from tasks.media.errors import damaged, naming
from tasks.media.packets import NeededPackets, on_screen
from tasks.media.sampling import MIDDLE, Sampling

# Left open, FFmpeg would follow what a file says it is: a play list, for one, reads other files.
_OPTIONS = {
    "format_whitelist": "mov,mp4,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,wav,flac,mp3",
    "protocol_whitelist": "file",
}
_TOLERANCE = 0.5
_AT_ONCE = 1 << 15
"""Samples that are resampled together: one call for each frame takes three times as long."""
_SKIPPABLE = ("h264",)
"""Codecs whose pictures say whether others refer to them, and mean it: those of VP9 change the state of its decoder."""


def decode_clip(
    path: str | Path,
    segments: int,
    seconds: float | None = None,
    size: int | None = None,
    start: float = 0.0,
    sampling: Sampling = MIDDLE,
) -> Clip:
    """Decode a video file into the segments of a clip, by the rules above.

    Args:
        segments: T.
        seconds: length of the clip; what the file has beyond it is left out. None takes the whole file.
        size: side of the square that frames are fitted to (bicubic; the aspect ratio is not kept, as in AVE and
            MUSIC-AVQA loaders). None keeps the size of the first frame taken.
        start: where in the file the clip begins, in seconds.
        sampling: which moments are seen and heard, and how much sound.

    Returns:
        frames (T, 3, h, w) and waveform (T, sampling.samples).

    Raises:
        MediaError: the file is missing, damaged or without video.
    """
    path = Path(path)
    with naming(path):
        clip = _decode(path, segments, seconds, size, start, sampling, skip=True)
        decoded = clip or _decode(path, segments, seconds, size, start, sampling, skip=False)
        assert decoded
        return decoded


def _decode(
    path: Path, segments: int, seconds: float | None, size: int | None, start: float, sampling: Sampling, skip: bool
) -> Clip | None:
    with open_media(path) as container:
        if not container.streams.video:
            raise damaged(path, "it has no video track")
        rest = (_announced(container) or _scanned(path)) - start if start or not seconds else seconds
        if rest <= 0:
            raise damaged(path, f"it ends before {start:g} s" if start else "it is empty")
        length = seconds or rest
        moments = [start + moment for moment in sampling.moments(length, segments)]
        pictures, sound = FramePicker(moments, size), SoundCollector(start + length)
        if not read_tracks(path, container, start + length, pictures, sound, skip):
            return None
        if not pictures.taken and pictures.held is None:
            raise damaged(path, "it has no decodable frame")
        heard = windows(sound.samples(), sound.begin - start, length, segments, sampling)
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
        self.times: list[float] = []
        """When each taken frame appeared."""
        self._held_since = 0.0

    @property
    def done(self) -> bool:
        """Whether no later frame is wanted."""
        return len(self.taken) == len(self.moments)

    def offer(self, frame: av.VideoFrame, time: float) -> None:
        """Look at the next frame, on screen from `time` on."""
        while not self.done and not on_screen(time, self.moments[len(self.taken)]):
            self._take(*((self.held, self._held_since) if self.held else (frame, time)))
        self.held, self._held_since = frame, time

    def finish(self) -> torch.Tensor:
        """Hold the last frame to the end: -> (T, 3, h, w) uint8."""
        self.hold()
        return stack_pictures(self.taken)

    def hold(self) -> None:
        """Take the last frame for all moments that are left; without any frame, none."""
        while not self.done and self.held is not None:
            self._take(self.held, self._held_since)

    def _take(self, frame: av.VideoFrame, time: float) -> None:
        self.size = self.size or (frame.height, frame.width)
        self.taken.append(to_rgb(frame, self.size))
        self.times.append(time)


def to_rgb(frame: av.VideoFrame, size: tuple[int, int]) -> np.ndarray:
    """A decoded frame as (h, w, 3) uint8."""
    # One thread: starting FFmpeg's own for each small frame takes longer than the scaling.
    return frame.to_ndarray(format="rgb24", height=size[0], width=size[1], interpolation="BICUBIC", threads=1)


def stack_pictures(pictures: list[np.ndarray]) -> torch.Tensor:
    """Pictures of one size: (h, w, 3) uint8 each -> (T, 3, h, w)."""
    stacked = np.empty((len(pictures), 3, *pictures[0].shape[:2]), np.uint8)
    for target, picture in zip(stacked, pictures, strict=True):
        target[...] = picture.transpose(2, 0, 1)
    return torch.from_numpy(stacked)


class SoundCollector:
    """Gathers decoded sound at 16 kHz as the mean of its channels, up to the length of the clip."""

    def __init__(self, length: float) -> None:
        self.length = length
        self.begin = 0.0
        self.found = False
        self._resampler = av.AudioResampler(format="fltp", rate=SAMPLE_RATE)
        self._waiting = av.AudioFifo()
        self._pieces: list[np.ndarray] = [np.zeros(0, dtype=np.float32)]

    def offer(self, frame: av.AudioFrame, time: float) -> None:
        """Add the next piece of sound, which begins at `time`; only the first piece's time is used."""
        if time >= self.length:
            return
        if not self.found:
            self.begin, self.found = time, True
        # What frames say of their time is not asked: damaged ones contradict each other.
        frame.pts = None
        self._waiting.write(frame)
        if self._waiting.samples >= _AT_ONCE:
            self._drain()

    def samples(self) -> np.ndarray:
        """All sound so far: -> (samples,) float32.

        Raises:
            ValueError: the sound holds infinities or NaN.
        """
        if self.found:
            self._drain()
            self._resample(None)
        sound = np.concatenate(self._pieces)
        if not np.isfinite(sound).all():
            raise ValueError("its sound holds values that are not finite numbers")
        return sound

    def _drain(self) -> None:
        if self._waiting.samples:
            self._resample(self._waiting.read())

    def _resample(self, frame: av.AudioFrame | None) -> None:
        self._pieces += [part.to_ndarray().mean(axis=0) for part in self._resampler.resample(frame)]


def read_tracks(
    path: Path,
    container: av.container.InputContainer,
    length: float,
    pictures: FramePicker,
    sound: SoundCollector,
    skip: bool,
) -> bool:
    """Decode the first video and sound track into their collectors, and check that neither breaks off.

    Args:
        skip: leave out pictures that are not needed.

    Returns:
        Whether the frames taken are those that would be taken without leaving out any.

    Raises:
        MediaError: a track ends before its header says.
    """
    tracks = [*container.streams.video[:1], *container.streams.audio[:1]]
    for track in tracks:
        if track.codec_context is None:
            raise damaged(path, f"its {track.type} is in a format that FFmpeg does not know")
        # Loaders decode in several processes already.
        track.codec_context.thread_count = 1
    video, origin = container.streams.video[0], (container.start_time or 0) / av.time_base
    # Fractions would take a tenth of the whole time.
    ticks = {track.index: float(track.time_base or 0) for track in tracks}
    skip = skip and video.codec_context.name in _SKIPPABLE
    needed = NeededPackets(pictures.moments, origin, ticks[video.index])
    ends = {track.index: 0.0 for track in tracks}
    decoding_all = True
    for packet in container.demux(tracks):
        index = packet.stream_index
        ends[index] = max(ends[index], _end(packet, ticks[index]) - origin)
        if index != video.index:
            for heard in cast(list[av.AudioFrame], packet.decode()):
                sound.offer(heard, _begin(heard, ticks[index]) - origin)
        elif not pictures.done:
            for ready, wanted in needed.sort_out(packet) if skip else ((packet, True),):
                if wanted != decoding_all:
                    video.codec_context.skip_frame = "DEFAULT" if wanted else "NONREF"
                    decoding_all = wanted
                for seen in cast(list[av.VideoFrame], ready.decode()):
                    pictures.offer(seen, _begin(seen, ticks[index]) - origin)
        if pictures.done and min(ends.values()) > length + 1:
            break
    else:
        _check_ends(path, container, length, {f"its {track.type}": (ends[track.index], track) for track in tracks})
    pictures.hold()
    return not skip or np.allclose(pictures.times, needed.chosen, rtol=0, atol=1e-6)


def _check_ends(path: Path, container: Any, length: float, tracks: dict[str, tuple[float, Any]]) -> None:
    said = {what: (end, float((track.duration or 0) * (track.time_base or 0))) for what, (end, track) in tracks.items()}
    # Matroska tells the length of the whole file only.
    said["it"] = (max(end for end, _ in tracks.values()), _announced(container))
    for what, (end, announced) in said.items():
        if end < min(length, announced) - _TOLERANCE:
            raise damaged(path, f"{what} ends at {end:.1f} of {announced:.1f} s")


def _begin(frame: av.VideoFrame | av.AudioFrame, tick: float) -> float:
    # AVI files carry decoding times only.
    return ((frame.dts if frame.pts is None else frame.pts) or 0) * tick


def _end(packet: av.Packet, tick: float) -> float:
    begin = packet.dts if packet.pts is None else packet.pts
    return 0.0 if begin is None else (begin + (packet.duration or 0)) * tick


def _announced(container: av.container.InputContainer) -> float:
    return (container.duration or 0) / av.time_base


def _scanned(path: Path) -> float:
    """The end of the last packet: for files whose header does not say how long they are."""
    with open_media(path) as container:
        ends = (_end(packet, float(packet.time_base or 0)) for packet in container.demux())
        return max(ends, default=0.0) - (container.start_time or 0) / av.time_base
