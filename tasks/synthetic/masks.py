"""Which pixels of a scene show what is heard: masks of the procedural world, painted when they are asked for.

The clips themselves are rendered by `tasks.synthetic.render`, and no clip is rendered again for these.
"""

from __future__ import annotations

import numpy as np

from tasks.synthetic.paint import Things, paint_with_owners
from tasks.synthetic.scene import Scene, Thing

VERSION = 1
"""Of the masks: raise it whenever they change for the same world."""


def sounding_masks(scene: Scene, size: int = 32, fps: int = 1) -> np.ndarray:
    """The visible parts of things that are heard in the second of each frame: -> (segments * fps, size, size) bool.

    Off-screen sounds and silent things have no mask. Frames are those of `render.render_frames`.
    """
    owners = paint_scene(scene, size, fps)[1]
    heard = np.array([[_is_heard(thing, frame // fps) for thing in visible(scene)] for frame in range(len(owners))])
    if not heard.size:
        return np.zeros(owners.shape, dtype=bool)
    masks: np.ndarray = (owners >= 0) & np.take_along_axis(heard, owners.reshape(len(owners), -1), 1).reshape(
        owners.shape
    )
    return masks


def paint_scene(scene: Scene, size: int, fps: int) -> tuple[np.ndarray, np.ndarray]:
    """The frames of a scene, and which of its visible things each pixel shows, -1 for background.

    -> (segments * fps, size, size, 3) uint8, (segments * fps, size, size) int8
    """
    times = (np.arange(scene.segments * fps) + 0.5) / fps
    return paint_with_owners(_things(scene, times), np.full(len(times), scene.background), size)


def visible(scene: Scene) -> list[Thing]:
    """The things that are seen at some time, in painting order."""
    return [thing for thing in scene.things if thing.seen is not None]


def _is_heard(thing: Thing, second: int) -> bool:
    return thing.heard is not None and thing.heard[0] <= second < thing.heard[1]


def _things(scene: Scene, times: np.ndarray) -> Things:
    shown = visible(scene)
    shape = (len(times), len(shown))
    share = times[:, None] / scene.segments - 0.5

    def column(values: list[float]) -> np.ndarray:
        return np.broadcast_to(np.array(values), shape)

    present = np.array([[thing.seen[0] <= t < thing.seen[1] for thing in shown] for t in times if shown])  # type: ignore[index]
    return Things(
        category=column([thing.category for thing in shown]).astype(np.int64),
        colour=column([thing.colour for thing in shown]).astype(np.int64),
        texture=column([thing.texture for thing in shown]).astype(np.int64),
        x=column([thing.x for thing in shown]) + share * column([thing.drift[0] for thing in shown]),
        y=column([thing.y for thing in shown]) + share * column([thing.drift[1] for thing in shown]),
        radius=column([thing.radius for thing in shown]) * present.reshape(shape),
        angle=column([thing.angle for thing in shown]),
    )
