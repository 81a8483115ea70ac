"""Clips whose pictures carry their number and whose sound tells the time: what is seen and heard can be read off them.

Pictures, 25 a second, show their number in black and white blocks; the sound rises by 250 Hz a second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np

from registry.vocabulary import SAMPLE_RATE
from tasks.media.clip import Clip

FPS = 25
WIDE, HIGH = 96, 64
_COLUMNS, _ROWS, _BITS = 6, 4, 12
_LONGEST, _TRANSFORM = 40, 1 << 20
_QUICK = {
    "libx265": {"preset": "ultrafast"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
}
"""Options of encoders whose default is slow; none changes the order of pictures."""


def picture(number: int, wide: int = WIDE, high: int = HIGH) -> np.ndarray:
    """A picture that carries its number: -> (high, wide, 3) uint8."""
    blocks = np.full((_ROWS, _COLUMNS), 128, np.uint8)
    for bit in range(_BITS):
        blocks[1 + bit // _COLUMNS, bit % _COLUMNS] = 235 if number >> bit & 1 else 20
    shown = blocks.repeat(high // _ROWS, 0).repeat(wide // _COLUMNS, 1)
    return np.repeat(shown[:, :, None], 3, axis=2)


def number(seen: np.ndarray) -> int:
    """The number that a picture carries: (3, h, w) -> int."""
    high, wide = seen.shape[1] / _ROWS, seen.shape[2] / _COLUMNS
    found = 0
    for bit in range(_BITS):
        row, column = 1 + bit // _COLUMNS, bit % _COLUMNS
        down = slice(int((row + 0.3) * high), int((row + 0.7) * high))
        across = slice(int((column + 0.3) * wide), int((column + 0.7) * wide))
        found |= int(seen[:, down, across].mean() > 127) << bit
    return found


def tone(seconds: float, rate: int = SAMPLE_RATE, begin: float = 0.0) -> np.ndarray:
    """The rising sound from `begin` on: -> (samples,) float32."""
    time = begin + np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * (400 * time + 125 * time * time))).astype(np.float32)


def heard_at(window: np.ndarray) -> float | None:
    """When a window of sound at 16 kHz begins in the recording, in seconds; None where it is silent."""
    if np.sqrt((window**2).mean()) < 0.1:
        return None
    match = np.fft.irfft(_spectrum_of_the_tone() * np.conj(np.fft.rfft(window, _TRANSFORM)), _TRANSFORM)
    place = int(np.argmax(np.abs(match)))
    return (place - _TRANSFORM if place > _TRANSFORM - len(window) else place) / SAMPLE_RATE


@cache
def _spectrum_of_the_tone() -> np.ndarray:
    return np.fft.rfft(tone(_LONGEST), _TRANSFORM)


def assert_synchronous(
    clip: Clip, silent: Sequence[int] = (), unasked: Sequence[int] = (), slack: float = 0.045
) -> None:
    """Pictures come in order, and each segment's picture was on screen when the middle of its sound was heard.

    Args:
        silent: segments that must be silent.
        unasked: segments that may be anything.
        slack: seconds: 40 ms, and 5 for encoders.
    """
    seen = [number(frame) for frame in clip.frames.numpy()]
    assert seen == sorted(seen), seen
    wrong = []
    for place, (shown, window) in enumerate(zip(seen, clip.waveform.numpy(), strict=True)):
        begin = heard_at(window)
        if place in unasked:
            continue
        if begin is None or place in silent:
            assert (begin is None) == (place in silent), f"segment {place} is {'silent' if begin is None else 'heard'}"
            continue
        middle = begin + len(window) / SAMPLE_RATE / 2
        if max(middle - (shown + 1) / FPS, shown / FPS - middle) > slack:
            wrong.append(f"segment {place}: picture of {shown / FPS:.2f} s, sound of {middle:.2f} s")
    assert not wrong, wrong


def write_coded(
    path: Path,
    seconds: float = 7.0,
    video: str | None = "libx264",
    audio: str | None = "aac",
    rate: int = 48_000,
    layout: str = "mono",
    bit_rate: int | None = None,
    begin: float = 0.0,
    options: Mapping[str, str] = {},
    muxer: Mapping[str, str] = {},
    format: str | None = None,
    sound_first: bool = False,
    lost: tuple[float, float] | None = None,
    pix_fmt: str = "yuv420p",
    adjust: Callable[[Any], None] = lambda stream: None,
    offset: float = 0.0,
    show: Callable[[np.ndarray], np.ndarray] = lambda shown: shown,
) -> Path:
    """Write a coded clip with any of FFmpeg's encoders and containers.

    Args:
        begin: of the recording, in seconds: the first picture carries `begin * 25`.
        options: of the picture's encoder.
        sound_first: whether the sound's track is number 0.
        lost: seconds of the clip of which the sound's packets are left out.
        adjust: is handed the picture's track before anything is written.
        offset: seconds that are added to all times.
        show: changes each picture before it is encoded.
    """
    with av.open(str(path), "w", format=format, options=dict(muxer)) as out:
        heard = _add_sound(out, audio, rate, layout, bit_rate) if audio and sound_first else None
        seen = None
        if video:
            seen = out.add_stream(video, rate=FPS, options={"threads": "1", **_QUICK.get(video, {}), **options})
            first = show(picture(0))
            seen.height, seen.width = first.shape[:2]
            seen.pix_fmt = pix_fmt
            adjust(seen)
        if audio and not sound_first:
            heard = _add_sound(out, audio, rate, layout, bit_rate)
        packets = []
        if seen:
            packets += _pictures(seen, seconds, begin, show)
        if heard:
            packets += [p for p in _sounds(heard, seconds, begin, rate, layout) if not _is_lost(p, lost)]
        packets.sort(key=lambda packet: float(packet.dts * packet.time_base))
        for packet in packets:
            ticks = round(offset / float(packet.time_base))
            packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
            out.mux(packet)
    return path


def _add_sound(out: Any, audio: str, rate: int, layout: str, bit_rate: int | None) -> Any:
    return out.add_stream(audio, rate=rate, layout=layout, **({"bit_rate": bit_rate} if bit_rate else {}))


def _pictures(stream: Any, seconds: float, begin: float, show: Callable[[np.ndarray], np.ndarray]) -> list[av.Packet]:
    packets = []
    for place in range(round(seconds * FPS)):
        shown = np.ascontiguousarray(show(picture(round(begin * FPS) + place)))
        frame = av.VideoFrame.from_ndarray(shown, format="rgb24")
        frame.pts, frame.time_base = place, Fraction(1, FPS)
        packets += stream.encode(frame)
    return [*packets, *stream.encode(None)]


def _sounds(stream: Any, seconds: float, begin: float, rate: int, layout: str) -> list[av.Packet]:
    channels = 1 if layout == "mono" else 2
    samples = np.ascontiguousarray(np.broadcast_to(tone(seconds, rate, begin), (channels, round(seconds * rate))))
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
    frame.rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    return [*stream.encode(frame), *stream.encode(None)]


def _is_lost(packet: av.Packet, lost: tuple[float, float] | None) -> bool:
    return lost is not None and lost[0] <= float(packet.pts * packet.time_base) < lost[1]
