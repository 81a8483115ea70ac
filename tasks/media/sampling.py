"""Which moments of a clip its segments are seen and heard at.

Our own rule, `middle`: a clip is divided into T equal segments; a segment is seen in the frame on screen at its middle,
and heard in one window of sound centred on the same moment; a window that would reach over an end of the clip is moved
inside. At T = length and windows of one second, the windows tile the clip.

The papers' rule, `published`: the first frame, the last one and evenly spaced ones between; windows of sound evenly
spaced from the beginning, the last of them ending a tenth of a second before the end (`published_starts`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from registry.errors import unknown
from registry.vocabulary import SAMPLE_RATE

_LAST_INSTANT = 1e-3
RULES = ("middle", "published")


@dataclass(frozen=True)
class Sampling:
    """A rule, and how long the windows of sound are."""

    rule: str = "middle"
    window: float = 1.0
    """Seconds of sound for each segment."""

    @property
    def samples(self) -> int:
        """Of one window, at `SAMPLE_RATE`."""
        return round(self.window * SAMPLE_RATE)

    @property
    def suffix(self) -> str:
        """What a data identity says of it; empty for the rule of our own."""
        return "" if self == MIDDLE else f"+{self.rule}"

    def moments(self, length: float, segments: int) -> list[float]:
        """When each segment is seen, in seconds of a clip: -> T numbers."""
        if self.rule == "middle":
            return middles(length, segments)
        last = max(0.0, length - _LAST_INSTANT)
        return [min(float(moment), last) for moment in np.linspace(0, length, segments)]

    def pictures(self, count: int, segments: int) -> list[int]:
        """Which of `count` pictures of a clip show its segments: -> T places, from 0."""
        if self.rule == "middle":
            return [int(moment) for moment in middles(count, segments)]
        return [int(number) - 1 for number in np.linspace(1, count, segments)]

    def starts(self, begin: float, end: float, length: float, segments: int) -> list[float]:
        """When each window begins, in seconds of the clip: -> T numbers.

        Args:
            begin: of the sound, in seconds of the clip; `end` likewise.
            length: of the clip.
        """
        if self.rule == "middle":
            latest = length - self.window
            return [max(0.0, min(middle - self.window / 2, latest)) for middle in middles(length, segments)]
        first, last = max(begin, 0.0), min(end, length)
        starts = published_starts(round(max(0.0, last - first) * SAMPLE_RATE), segments, self.window)
        return [first + start / SAMPLE_RATE for start in starts]


MIDDLE = Sampling()


def find_sampling(rule: str, published_window: float) -> Sampling:
    """The sampling behind a task's option `sampling`.

    Args:
        published_window: seconds of sound in the papers' windows.

    Raises:
        UserError: no such rule.
    """
    if rule not in RULES:
        raise unknown("sampling", str(rule), RULES)
    return MIDDLE if rule == "middle" else Sampling(rule, published_window)


def middles(length: float, segments: int) -> list[float]:
    """The middle of each segment, in seconds: -> T numbers."""
    return [(i + 0.5) * length / segments for i in range(segments)]


def published_starts(samples: int, segments: int, seconds: float = 1.0) -> np.ndarray:
    """First sample of each segment's window, as the papers' code cuts them: -> (segments,) int64.

    Evenly spaced from 0 to a tenth of a second more than a window before the end, cut to whole samples. Sound that is
    no longer than that is used whole for every segment, from 0. As STG-CMA and LAVISH do: windows of 1 s for AVE, of
    1.95 s for AVQA.

    Args:
        samples: length of the sound at 16 kHz.
        seconds: length of a window.
    """
    last = samples - round(SAMPLE_RATE * (seconds + 0.1))
    return np.linspace(0, max(0, last), segments).astype(np.int64)
