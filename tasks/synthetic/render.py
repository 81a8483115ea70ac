"""Frames of a scene."""

from __future__ import annotations

import numpy as np

from tasks.synthetic.paint import Things, paint
from tasks.synthetic.scene import Scene


def render_frames(scene: Scene, size: int = 32, fps: int = 1) -> np.ndarray:
    """Frames at the middle of each 1/fps of a second: -> (segments * fps, size, size, 3) uint8."""
    times = (np.arange(scene.segments * fps) + 0.5) / fps
    visible = [thing for thing in scene.things if thing.seen is not None]
    shape = (len(times), len(visible))
    share = times[:, None] / scene.segments - 0.5

    def column(values: list[float]) -> np.ndarray:
        return np.broadcast_to(np.array(values), shape)

    present = np.array([[thing.seen[0] <= t < thing.seen[1] for thing in visible] for t in times if visible])  # type: ignore[index]
    things = Things(
        category=column([thing.category for thing in visible]).astype(np.int64),
        colour=column([thing.colour for thing in visible]).astype(np.int64),
        texture=column([thing.texture for thing in visible]).astype(np.int64),
        x=column([thing.x for thing in visible]) + share * column([thing.drift[0] for thing in visible]),
        y=column([thing.y for thing in visible]) + share * column([thing.drift[1] for thing in visible]),
        radius=column([thing.radius for thing in visible]) * present.reshape(shape),
        angle=column([thing.angle for thing in visible]),
    )
    return paint(things, np.full(len(times), scene.background), size)
