"""The tracks of a media file: which of them are seen and heard, how long they are, and their packets in order of time.

Packets come on one clock that never restarts: where recordings were joined, times run on as FFmpeg plays them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import av
import numpy as np

from tasks.media.errors import damaged

FORMATS = ("mov", "mp4", "matroska", "webm", "avi", "mpegts", "mpeg", "flv", "asf", "ogg", "wav", "flac", "mp3", "aiff")
# Left open, FFmpeg would follow what a file says it is: a play list, for one, reads other files.
_OPTIONS = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "file"}
_NO_PICTURES = av.stream.Disposition.attached_pic.value | av.stream.Disposition.timed_thumbnails.value
_NEAR = 20.0
"""Seconds of a file that are decoded sooner than another place in it is found."""
_SYNC = 0x47
_LEAP = 10.0
"""Seconds forward from which a gap is a leap of the clock."""
_BETWEEN_KEYS = 16.0
"""Seconds within which a broadcast has a key picture; where it has none, it is read from its beginning."""
_RUN_UP = 1.0
"""Seconds of sound that are decoded before a clip begins: decoders and filters need them to settle."""


def open_media(path: Path) -> av.container.InputContainer:
    """Open a file for reading as media, never as a list of other files.

    Raises:
        MediaError: the file is in none of `FORMATS`.
    """
    try:
        return av.open(f"file:{path}", container_options=_OPTIONS)
    except av.ArgumentError:
        raise damaged(path, f"it is in none of the formats that are read ({', '.join(FORMATS)})") from None


def seen_track(container: av.container.InputContainer) -> av.VideoStream | None:
    """The pictures of a file: the track marked default, else the first; covers and thumbnails are none."""
    return _chosen(track for track in container.streams.video if not track.disposition.value & _NO_PICTURES)


def heard_track(container: av.container.InputContainer) -> av.AudioStream | None:
    """The sound of a file: the track marked default, else the first."""
    return _chosen(container.streams.audio)


def _chosen(tracks: Iterable[Any]) -> Any:
    found = list(tracks)
    marked = [track for track in found if track.disposition.value & av.stream.Disposition.default.value]
    return next(iter([*marked, *found]), None)


def tick_of(track: Any) -> float:
    """Seconds of a unit of a track's clock. Fractions would take a tenth of the whole time of decoding."""
    return float(track.time_base or 0)


def origin_of(container: av.container.InputContainer) -> float:
    """Where time 0 lies on the file's own clock, in seconds: its first track starts there."""
    return (container.start_time or 0) / av.time_base


def may_restart(container: av.container.InputContainer) -> bool:
    """Whether the file is of a kind whose clock restarts where recordings were joined, and whose length is a guess."""
    return bool(cast(Any, container.format).flags & av.format.Flags.ts_discont.value)


def announced_length(container: av.container.InputContainer, tracks: Iterable[Any]) -> float:
    """How long the header says that these tracks are, in seconds; 0 where it does not say, or only guesses."""
    tracks = list(tracks)
    if may_restart(container):
        return 0.0
    if len(tracks) == len(container.streams):
        return (container.duration or 0) / av.time_base
    # Others, subtitles for one, may last longer.
    lengths = [announced_end(track) for track in tracks]
    return max(lengths) - origin_of(container) if all(lengths) else 0.0


def announced_end(track: Any) -> float:
    """Where the header says that a track ends, in seconds of the file's own clock; 0 where it does not say."""
    if track.duration:
        return ((track.start_time or 0) + track.duration) * tick_of(track)
    return _seconds(track.metadata.get("DURATION", ""))


def _seconds(text: str) -> float:
    """Of Matroska's hours:minutes:seconds; 0 for anything else."""
    try:
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return 0.0


def scanned_length(path: Path) -> float:
    """Where the last packet that is seen or heard ends, in seconds: for files whose header does not tell."""
    with open_media(path) as container:
        ticks = {track.index: tick_of(track) for track in (seen_track(container), heard_track(container)) if track}
        packets = ((packet, packet.stream.index) for packet in timed_packets(container))
        ends = (packet_end(packet, ticks[index]) for packet, index in packets if index in ticks)
        return max(ends, default=0.0) - origin_of(container)


def packet_end(packet: av.Packet, tick: float) -> float:
    """In seconds of the file's own clock; 0 where the packet does not say.

    Args:
        tick: of its track.
    """
    begin = packet.dts if packet.pts is None else packet.pts
    return 0.0 if begin is None else (begin + (packet.duration or 0)) * tick


def timed_packets(container: av.container.InputContainer) -> Iterator[av.Packet]:
    """The packets of all tracks from here to the end of the file, then an empty one of each; see `Clock`."""
    clock = Clock(container.streams, may_restart(container))
    for packet in container.demux():
        clock.set(packet)
        yield packet


def packets_from(container: av.container.InputContainer, video: Any, begin: float) -> Iterator[av.Packet]:
    """Packets from the last key picture before a moment on, and sound from a second before the moment.

    Args:
        begin: in seconds of the file's own clock.

    Raises:
        av.FFmpegError: the place cannot be found in the file.
    """
    if not may_restart(container):
        container.seek(int((begin - _RUN_UP) / tick_of(video)), stream=video)
    elif begin - origin_of(container) > _BETWEEN_KEYS and is_steady(Path(container.name.removeprefix("file:"))):
        # Such a file is entered anywhere, not at key pictures.
        container.seek(int((begin - _BETWEEN_KEYS) / tick_of(video)), stream=video)
    held: list[av.Packet] = []
    packets = timed_packets(container)
    for packet in packets:
        held.append(packet)
        if packet.stream.index != video.index:
            continue
        if packet.dts is None or packet.dts * tick_of(video) > begin:
            break
        if packet.is_keyframe and packet.pts is not None and packet.pts * tick_of(video) <= begin:
            others = [p for p in held if p.stream.index != video.index and _ends_after(p, begin - _RUN_UP)]
            held = [*others, packet]
    yield from held
    yield from packets


def _ends_after(packet: av.Packet, moment: float) -> bool:
    return packet_end(packet, tick_of(packet)) > moment


def is_far(begin: float) -> bool:
    """Whether a clip begins so late in a file that the key picture before it is worth looking for."""
    return begin > _NEAR


def is_steady(path: Path) -> bool:
    """Whether the clock of an MPEG transport stream runs on from its first packet to its last, without a joint.

    It is told in the stream itself (program clock references, ISO/IEC 13818-1, 2.4.3.4), which is read faster than
    packets are taken apart. Anything that is no such stream is none.
    """
    content = np.memmap(path, np.uint8, "r")
    # Cameras put four bytes with a time before each packet.
    first, size = (0, 188) if content[0] == _SYNC else (4, 192)
    whole = (len(content) - first) // size
    packets = content[first : first + whole * size].reshape(whole, size) if whole > 0 else content[:0].reshape(0, size)
    if not (packets[:, 0] == _SYNC).all():
        return False
    told = packets[(packets[:, 3] & 0x20 != 0) & (packets[:, 4] >= 7) & (packets[:, 5] & 0x10 != 0), :10]
    clock = (told[:, 6:].astype(np.int64) * (1 << 25, 1 << 17, 1 << 9, 1 << 1)).sum(axis=1)
    programs = (told[:, 1].astype(np.int64) & 0x1F) << 8 | told[:, 2]
    steps = [np.diff(clock[programs == program]) / 90_000 for program in np.unique(programs)]
    return bool(steps) and all(((step >= 0) & (step <= _LEAP)).all() for step in steps)


@dataclass
class _Track:
    tick: float
    shift: float = 0.0
    """Seconds that are added to its times."""
    next: float | None = None
    """When its next packet is due."""


class Clock:
    """Times that run on where those of a file restart, or leap as no recording does: joined files, broadcasts.

    Tracks reach the joint at different packets, and all take the shift that the first of them was given, so that
    picture and sound stay together.

    Args:
        tracks: of the file.
        restarts: whether the file is of a kind that lets its clock restart.
    """

    def __init__(self, tracks: Iterable[Any], restarts: bool) -> None:
        # Other kinds are trusted: only a large step back cannot be meant.
        self._back, self._leap = (0.1, _LEAP) if restarts else (1.0, math.inf)
        self._shift = 0.0
        # Subtitles come when they like.
        self._tracks = {track.index: _Track(tick_of(track)) for track in tracks if track.type in ("video", "audio")}

    def set(self, packet: av.Packet) -> None:
        """Move the times of the next packet of the file."""
        stamp = packet.pts if packet.dts is None else packet.dts
        track = self._tracks.get(packet.stream_index)
        if stamp is None or track is None:
            return
        tick = track.tick
        begin, due = stamp * tick, track.next
        if due is None:
            track.shift = self._shift
        elif not -self._back <= begin + track.shift - due <= self._leap:
            if abs(begin + self._shift - due) > _LEAP or track.shift == self._shift:
                self._shift = due - begin
            track.shift = self._shift
        track.next = begin + track.shift + (packet.duration or 0) * tick
        if track.shift:
            ticks = round(track.shift / tick)
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks
