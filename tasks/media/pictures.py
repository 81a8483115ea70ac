"""Frames become upright RGB pictures; which are on screen at the wanted moments, and need to be decoded at all."""

from __future__ import annotations

import math
import struct
from collections import deque
from collections.abc import Iterator
from typing import Any, cast

import av
import numpy as np
import torch
from av.sidedata.sidedata import Type

Turn = tuple[int, int, int, int]
"""(a, b, c, d), each -1, 0 or 1: what is stored at (x, y) is seen at (a x + c y, b x + d y)."""
UPRIGHT: Turn = (1, 0, 0, 1)
_QUARTERS: dict[int, Turn] = {0: UPRIGHT, 90: (0, -1, 1, 0), 180: (-1, 0, 0, -1), 270: (0, 1, -1, 0)}
"""By degrees against the clock."""
_ALMOST = 0.02
"""About one degree, as FFmpeg allows."""
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


def turn_of(frame: av.VideoFrame) -> Turn:
    """How a frame is turned and mirrored on screen, as the display matrix of its file says.

    Raises:
        ValueError: it is turned by something else than quarters.
    """
    try:
        matrix = cast(Any, frame.side_data).get(Type.DISPLAYMATRIX)
    except ValueError:
        # Beside data of a kind that PyAV does not know, only the angle can be read.
        return _QUARTERS[round(frame.rotation / 90) % 4 * 90]
    if matrix is None:
        return UPRIGHT
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(matrix))
    across, down = float(np.hypot(a, b)), float(np.hypot(c, d))
    if not across or not down:
        return UPRIGHT
    exact = a / across, b / across, c / down, d / down
    turn = round(exact[0]), round(exact[1]), round(exact[2]), round(exact[3])
    if max(abs(part - whole) for part, whole in zip(exact, turn, strict=True)) > _ALMOST:
        raise ValueError("its pictures are to be turned by an angle, expected quarter turns; turn them and encode anew")
    return turn if abs(turn[0] * turn[3] - turn[1] * turn[2]) == 1 else UPRIGHT


def seen_size(frame: av.VideoFrame, turn: Turn) -> tuple[int, int]:
    """Height and width of a frame as it is seen."""
    return (frame.height, frame.width) if turn[0] else (frame.width, frame.height)


def to_rgb(frame: av.VideoFrame, size: tuple[int, int], turn: Turn) -> np.ndarray:
    """A decoded frame as it is seen: -> (h, w, 3) uint8.

    Args:
        size: (h, w); frames are resized to it (bicubic).
    """
    a, b, c, d = turn
    height, width = size if a else size[::-1]
    # One thread: starting FFmpeg's own for each small frame takes longer than the scaling.
    picture = frame.to_ndarray(format="rgb24", height=height, width=width, interpolation="BICUBIC", threads=1)
    if not a:
        picture = picture.transpose(1, 0, 2)
    return picture[:: d or b, :: a or c]


def stack_pictures(pictures: list[np.ndarray]) -> torch.Tensor:
    """Pictures of one size: (h, w, 3) uint8 each -> (T, 3, h, w)."""
    stacked = np.empty((len(pictures), 3, *pictures[0].shape[:2]), np.uint8)
    for target, picture in zip(stacked, pictures, strict=True):
        target[...] = picture.transpose(2, 0, 1)
    return torch.from_numpy(stacked)


class FramePicker:
    """Takes the frame on screen at each wanted moment from frames that arrive in order."""

    def __init__(self, moments: list[float], size: int | None) -> None:
        self.moments = moments
        self.size = (size, size) if size else None
        self.held: av.VideoFrame | None = None
        self.taken: list[np.ndarray] = []
        self.times: list[float] = []
        """When each taken frame appeared."""
        self.in_order = True
        """Whether each frame came later than the one before."""
        self._held_since = 0.0

    @property
    def done(self) -> bool:
        """Whether no later frame is wanted."""
        return len(self.taken) == len(self.moments)

    def offer(self, frame: av.VideoFrame, time: float) -> None:
        """Look at the next frame, on screen from `time` on."""
        self.in_order &= self.held is None or time > self._held_since
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
        turn = turn_of(frame)
        self.size = self.size or seen_size(frame, turn)
        self.taken.append(to_rgb(frame, self.size, turn))
        self.times.append(time)
