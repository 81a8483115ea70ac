"""Decoded sound becomes one channel at 16 kHz in which every piece lies at its time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import av
import numpy as np

from registry.vocabulary import SAMPLE_RATE

LONGEST = 3 * 3600
"""Seconds of sound that are held in memory; a clip that takes more is refused."""
_LOWEST_RATE = 1000
"""Samples a second. Of fewer, a small file would grow beyond any memory at 16 kHz."""
_APART = 0.03
"""Seconds by which a piece may miss the end of the one before and still follows it: times in files are rounded."""
_AT_ONCE = 1 << 15
"""Samples that are resampled together: one call for each frame takes three times as long."""


@dataclass
class _Run:
    """Sound without a gap."""

    begin: float
    pieces: list[np.ndarray] = field(default_factory=list)


class SoundCollector:
    """Gathers decoded sound at 16 kHz as the mean of its channels, up to the length of the clip.

    A piece whose time is past the end so far begins behind silence, and one whose time is before it replaces what was
    there; rounding aside. A change of rate or channels is followed.

    Args:
        length: where the clip ends, in seconds of the file.
        origin: of a file that is read from its middle, when its sound began: pieces are then resampled at the moments
            at which they would have been from there. None reads from the beginning.
    """

    def __init__(self, length: float, origin: float | None = None) -> None:
        self.length = length
        self.begin = 0.0
        self.found = False
        self._origin = origin
        self._end = 0.0
        self._runs: list[_Run] = []
        self._kind: tuple[str, str, int] | None = None
        self._resampler = _resampler()
        self._waiting = av.AudioFifo()
        self._skipped = 0

    def offer(self, frame: av.AudioFrame, time: float | None) -> None:
        """Add the next piece of sound, which begins at `time`; None follows the one before.

        Raises:
            ValueError: there is more than memory holds, or its rate is none of sound.
        """
        time = self._end if time is None else time
        if time >= self.length:
            return
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._kind or abs(time - self._end) > _APART:
            self._start_run(kind, time)
        self._end += frame.samples / frame.sample_rate
        if self._end - self.begin > LONGEST:
            raise ValueError(f"its sound lasts more than {LONGEST // 3600} hours, expected clips; cut it")
        # Its own time would not outlast the filter.
        frame.pts = None
        self._waiting.write(frame)
        if self._waiting.samples >= _AT_ONCE:
            self._drain()

    def samples(self) -> np.ndarray:
        """All sound so far: -> (samples,) float32.

        Raises:
            ValueError: the sound holds infinities or NaN.
        """
        self._end_run()
        runs = [(run.begin, np.concatenate(run.pieces)) for run in self._runs if run.pieces]
        if len(runs) == 1:
            sound = runs[0][1]
        else:
            places = [(round((begin - self.begin) * SAMPLE_RATE), heard) for begin, heard in runs]
            sound = np.zeros(max((place + len(heard) for place, heard in places), default=0), np.float32)
            for place, heard in places:
                sound[max(place, 0) : max(place + len(heard), 0)] = heard[max(-place, 0) :]
        if not np.isfinite(sound).all():
            raise ValueError("its sound holds values that are not finite numbers")
        return sound

    def _start_run(self, kind: tuple[str, str, int], time: float) -> None:
        *_, rate = kind
        if rate < _LOWEST_RATE:
            raise ValueError(f"its sound has {rate} samples a second, expected {_LOWEST_RATE} or more")
        self._end_run()
        if self._runs and kind != self._kind and abs(time - self._end) <= _APART:
            time = self._end
        self._resampler = _resampler()
        self._waiting = av.AudioFifo()
        self._kind, self._end, self._skipped = kind, time, 0
        if self._origin is not None and not self._runs:
            step = rate // math.gcd(rate, SAMPLE_RATE)
            self._skipped = -round((time - self._origin) * rate) % step
            time += self._skipped / rate
        if not self.found:
            self.begin, self.found = time, True
        self._runs.append(_Run(time))

    def _end_run(self) -> None:
        if self._runs:
            self._drain()
            self._resample(None)

    def _drain(self) -> None:
        if self._skipped:
            if self._waiting.read(self._skipped) is None:
                return
            self._skipped = 0
        if self._waiting.samples:
            self._resample(self._waiting.read())

    def _resample(self, frame: av.AudioFrame | None) -> None:
        for part in self._resampler.resample(frame):
            channels = part.to_ndarray().reshape(-1, part.layout.nb_channels).T
            self._runs[-1].pieces.append(channels.mean(axis=0))


def _resampler() -> av.AudioResampler:
    # Channels interleaved: of eight or more that lie apart, PyAV reads past the last.
    return av.AudioResampler(format="flt", rate=SAMPLE_RATE)
