"""Which coded pictures a clip needs, told before they are decoded: others need not be, if nothing refers to them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator

import av

_ROUNDING = 1e-6


def on_screen(time: float, moment: float) -> bool:
    """Whether a frame that appears at `time` has appeared by a moment, both in seconds."""
    return time <= moment + _ROUNDING


class NeededPackets:
    """Tells of each packet of a video track whether its frame is on screen at one of the moments.

    Frames are coded in another order than they are shown in. So packets are held back until one arrives that is to be
    decoded later than the next moment: whatever is on screen then has arrived before it.

    Args:
        moments: in seconds of the file, ascending.
        origin: where on the track's own clock the file begins, in seconds.
        tick: seconds of a unit of that clock.
    """

    def __init__(self, moments: list[float], origin: float, tick: float) -> None:
        self.chosen: list[float] = []
        """Of each moment that is decided, the time of the frame on screen; -inf before the first frame."""
        self._moments, self._origin, self._tick = moments, origin, tick
        self._held: deque[tuple[float, av.Packet]] = deque()

    def sort_out(self, packet: av.Packet) -> Iterator[tuple[av.Packet, bool]]:
        """Take in the next packet of the track: -> those that are decided, in order, each with whether it is needed."""
        if packet.pts is None or packet.dts is None:
            # The end of the track, or a container that does not tell.
            yield from self._decided(math.inf)
            yield packet, True
            return
        self._held.append((self.seconds(packet.pts), packet))
        yield from self._decided(self.seconds(packet.dts))

    def seconds(self, ticks: int) -> float:
        """A time of the track in seconds of the file."""
        return ticks * self._tick - self._origin

    def _decided(self, decoded: float) -> Iterator[tuple[av.Packet, bool]]:
        while len(self.chosen) < len(self._moments) and not on_screen(decoded, self._moments[len(self.chosen)]):
            moment, before = self._moments[len(self.chosen)], self.chosen[-1] if self.chosen else -math.inf
            self.chosen.append(max((time for time, _ in self._held if on_screen(time, moment)), default=before))
        rest_is_known = len(self.chosen) == len(self._moments)
        until = math.inf if rest_is_known else self._moments[len(self.chosen) - 1] if self.chosen else -math.inf
        while self._held and on_screen(self._held[0][0], until):
            time, packet = self._held.popleft()
            yield packet, time in self.chosen
