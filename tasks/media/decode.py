"""A video file becomes a clip: one pass through the file, from the key picture before the clip where that is far in.

Rules, for whatever the file holds:
- the clip lasts `seconds`, or without it to where picture and sound end; time 0 is where the file's first track starts;
- the tracks marked default are seen and heard, else the first of a kind; cover pictures are none;
- of each segment the frame on screen at its middle (or as `tasks.media.sampling` says) is taken, at any frame rate, and
  upright, as the file says that it is turned;
- a video that is shorter than the clip holds its last frame, and a shorter sound is followed by silence;
- sound of any rate and layout, changing or not, is resampled to 16 kHz and becomes the mean of its channels; where some
  is lost, and without a track: silence;
- a file or track that ends more than half a second before its header says is damaged; so is any decoding error.

Frames are those of a decoder that decodes everything. It need not: an H.264 picture that no other picture refers to and
that is on screen at none of the moments is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import av
import numpy as np

from tasks.media.clip import Clip, windows
from tasks.media.errors import damaged, naming
from tasks.media.pictures import FramePicker, NeededPackets, on_screen
from tasks.media.sampling import MIDDLE, Sampling
from tasks.media.sound import SoundCollector
from tasks.media.tracks import (
    announced_end,
    announced_length,
    heard_track,
    is_far,
    may_restart,
    open_media,
    origin_of,
    packet_end,
    packets_from,
    scanned_length,
    seen_track,
    tick_of,
    timed_packets,
)

_TOLERANCE = 0.5
_SKIPPABLE = ("h264",)
"""Codecs whose pictures say whether others refer to them, and mean it: those of VP9 change the state of its decoder."""
_INTRA = (av.video.frame.PictureType.I, av.video.frame.PictureType.SI)


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
        # Each short cut can turn out to miss a picture; without any, nothing can.
        for way in (Way(), Way(skip=False), Way(skip=False, seek=False), Way(skip=False, seek=False, shown=False)):
            if clip := _decode(path, segments, seconds, size, start, sampling, way):
                return clip
    raise AssertionError("the last way takes whatever comes")


@dataclass(frozen=True)
class Way:
    """How a file is read."""

    skip: bool = True
    """Leave pictures undecoded that are not needed."""
    seek: bool = True
    """Begin at the key picture before the clip."""
    shown: bool = True
    """Believe the times of presentation; else pictures appear when they leave the decoder, as FFmpeg has it."""


def _decode(
    path: Path, segments: int, seconds: float | None, size: int | None, start: float, sampling: Sampling, way: Way
) -> Clip | None:
    """The clip; None where this way of reading missed a picture."""
    with open_media(path) as container:
        video, audio = seen_track(container), heard_track(container)
        if video is None:
            raise damaged(path, "it has no video track")
        announced = announced_length(container, [track for track in (video, audio) if track])
        if seconds is None:
            announced = announced or scanned_length(path)
            if not announced:
                raise damaged(path, "it is empty")
        if start and announced and announced <= start:
            raise damaged(path, f"it ends before {start:g} s")
        length = seconds or announced - start
        far = way.seek and is_far(start)
        sound_origin = (audio.start_time or 0) * tick_of(audio) - origin_of(container) if audio and far else None
        pictures = FramePicker([start + moment for moment in sampling.moments(length, segments)], size)
        sound = SoundCollector(start + length, sound_origin)
        try:
            whole = _read(path, container, video, audio, start + length, pictures, sound, way, start, far)
        except av.FFmpegError:
            # Some indexes lead astray.
            if not far:
                raise
            return None
        if not whole:
            return None
        if not pictures.taken and pictures.held is None:
            raise damaged(path, "it has no decodable frame")
        heard = windows(sound.samples(), sound.begin - start, length, segments, sampling)
        return Clip(pictures.finish(), heard, sound.found)


def _read(
    path: Path,
    container: av.container.InputContainer,
    video: Any,
    audio: Any,
    length: float,
    pictures: FramePicker,
    sound: SoundCollector,
    way: Way,
    start: float,
    far: bool,
) -> bool:
    """Decode both tracks into their collectors, and check that neither breaks off.

    Args:
        start: of the clip.
        far: whether the file is read from the key picture before that; else all of it.

    Returns:
        Whether the frames taken are those that would be taken of all, decoded from the beginning.

    Raises:
        MediaError: a track ends before its header says, or before the clip begins.
    """
    tracks, origin = [track for track in (video, audio) if track], origin_of(container)
    for track in tracks:
        if track.codec_context is None:
            raise damaged(path, f"its {track.type} is in a format that FFmpeg does not know")
        # Loaders decode in several processes already.
        track.codec_context.thread_count = 1
    screen = _Screen(video, pictures, origin, way, counted=not way.shown or container.format.name == "avi")
    packets = packets_from(container, video, origin + start) if far else timed_packets(container)
    # A track may have ended before the place where reading begins.
    ends = {track.index: start if far else 0.0 for track in container.streams}
    ticks = {track.index: tick_of(track) for track in container.streams}
    for packet in packets:
        index = packet.stream.index
        ends[index] = max(ends[index], packet_end(packet, ticks[index]) - origin)
        if audio and index == audio.index:
            for heard in cast(list[av.AudioFrame], packet.decode()):
                sound.offer(heard, _time(heard, ticks[index], origin))
        elif index == video.index and not pictures.done:
            screen.show(packet)
        if pictures.done and min(ends[track.index] for track in tracks) > length + 1:
            break
    else:
        if start and max(ends[track.index] for track in tracks) <= start:
            raise damaged(path, f"it ends before {start:g} s")
        _check_ends(path, container, length, ends, tracks)
    pictures.hold()
    return screen.is_whole(from_key=far)


class _Screen:
    """Decodes packets of the video track into pictures, and tells afterwards whether none was missed."""

    def __init__(self, video: Any, pictures: FramePicker, origin: float, way: Way, counted: bool) -> None:
        self._video, self._pictures, self._origin, self._counted = video, pictures, origin, counted
        self._tick = tick_of(video)
        self._check_order = way.shown and not counted
        self._skip = way.skip and not counted and video.codec_context.name in _SKIPPABLE
        self._needed = NeededPackets(pictures.moments, origin, self._tick)
        self._decoding_all = True
        self._key: int | None = None
        """When the first packet's picture is shown, on the track's own clock."""
        self._key_is_whole = False

    def show(self, packet: av.Packet) -> None:
        if self._key is None:
            self._key = packet.pts
        for ready, wanted in self._needed.sort_out(packet) if self._skip else ((packet, True),):
            if wanted != self._decoding_all:
                self._video.codec_context.skip_frame = "DEFAULT" if wanted else "NONREF"
                self._decoding_all = wanted
            for seen in cast(list[av.VideoFrame], ready.decode()):
                # Some key pictures are so only after a while: each following one renews a part of them.
                if seen.pts == self._key:
                    self._key_is_whole |= seen.pict_type in _INTRA
                time = _time(seen, self._tick, self._origin, self._counted)
                self._pictures.offer(seen, 0.0 if time is None else time)

    def is_whole(self, from_key: bool) -> bool:
        times = self._pictures.times
        if self._check_order and not self._pictures.in_order:
            return False
        if from_key and not (self._key_is_whole and times and on_screen(times[0], self._pictures.moments[0])):
            return False
        chosen = self._needed.chosen
        return not self._skip or (len(times) == len(chosen) and np.allclose(times, chosen, rtol=0, atol=1e-6))


def _check_ends(
    path: Path, container: av.container.InputContainer, length: float, ends: dict[int, float], tracks: list[Any]
) -> None:
    if may_restart(container):
        return
    origin = origin_of(container)
    said = {f"its {t.type}": (ends[t.index], announced_end(t) - origin) for t in tracks if announced_end(t)}
    if len(said) < len(tracks):
        # Matroska may tell the length of the whole file only, which is that of its longest track.
        said["it"] = (max(ends.values()), (container.duration or 0) / av.time_base)
    for what, (end, announced) in said.items():
        if end < min(length, announced) - _TOLERANCE:
            raise damaged(path, f"{what} ends at {end:.1f} of {announced:.1f} s")


def _time(frame: Any, tick: float, origin: float, counted: bool = False) -> float | None:
    """When a frame is seen or heard, in seconds of the file; None where nothing says."""
    stamp = frame.dts if counted or frame.pts is None else frame.pts
    return None if stamp is None else stamp * tick - origin
