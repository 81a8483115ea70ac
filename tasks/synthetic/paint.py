"""Pictures of things: many pictures at once, each with up to K things over a textured background.

A shape is its boundary in polar coordinates, so that painting is one table look-up for each pixel and thing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.synthetic.scene import CLASSES, COLOURS

_ANGLES = 256
_RGB = np.array(
    [[0.85, 0.2, 0.2], [0.2, 0.7, 0.25], [0.25, 0.4, 0.9], [0.9, 0.8, 0.2], [0.65, 0.3, 0.75], [0.92, 0.92, 0.92]],
    dtype=np.float32,
)
assert len(_RGB) == len(COLOURS)


@dataclass(frozen=True)
class Things:
    """Arrays (N, K): N pictures with K things each; a thing of radius 0 is absent. Lengths are in picture sides."""

    category: np.ndarray
    colour: np.ndarray
    texture: np.ndarray
    x: np.ndarray
    y: np.ndarray
    radius: np.ndarray
    angle: np.ndarray


def paint(things: Things, backgrounds: np.ndarray, size: int, light: np.ndarray | None = None) -> np.ndarray:
    """Paint pictures, later things over earlier ones: -> (N, size, size, 3) uint8.

    backgrounds: (N,) seeds of the background pictures.
    light: (N,) brightness of the whole picture, 1 where left out.
    """
    return paint_with_owners(things, backgrounds, size, light)[0]


def paint_with_owners(
    things: Things, backgrounds: np.ndarray, size: int, light: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """As `paint`, and which thing each pixel shows, -1 for background: (N, size, size) int8."""
    picture = background(backgrounds, size)
    owner = np.full(picture.shape[:3], -1, dtype=np.int8)
    for k in range(things.category.shape[1]):
        cover, tone = _cover(things, k, size)
        colour = _RGB[things.colour[:, k]][:, None, None, :] * tone[..., None]
        picture += cover[..., None] * (colour - picture)
        owner[cover > 0.5] = k
    if light is not None:
        picture *= light[:, None, None, None].astype(np.float32)
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8), owner


def background(seeds: np.ndarray, size: int) -> np.ndarray:
    """A dim plane wave over a dim colour for each seed: (N,) -> (N, size, size, 3) float32."""
    rows, columns = _grid(size)
    values = _hashed(seeds, 7).astype(np.float32)
    direction, frequency, phase = values[:, 0] * np.pi, 2 + 6 * values[:, 1], 2 * np.pi * values[:, 2]
    wave = np.sin(
        (2 * np.pi * frequency)[:, None, None]
        * (np.cos(direction)[:, None, None] * columns + np.sin(direction)[:, None, None] * rows)
        + phase[:, None, None]
    )
    base = 0.15 + 0.3 * values[:, 4:7]
    return (base[:, None, None, :] + (0.08 * values[:, 3])[:, None, None, None] * wave[..., None]).astype(np.float32)


def _cover(things: Things, k: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """How much of each pixel thing k covers, and the brightness of its texture: two (N, size, size) float32."""
    rows, columns = _grid(size)
    dx = columns[None] - things.x[:, k, None, None].astype(np.float32)
    dy = rows[None] - things.y[:, k, None, None].astype(np.float32)
    radius = np.maximum(things.radius[:, k, None, None], 1e-6).astype(np.float32)
    distance = np.sqrt(dx * dx + dy * dy) / radius
    turn = (np.arctan2(dy, dx) - things.angle[:, k, None, None]) / (2 * np.pi)
    index = (turn * _ANGLES).astype(np.int64) % _ANGLES
    category = things.category[:, k, None, None]
    soft = 1.0 / (size * radius)
    outside = np.clip((_OUTER[category, index] - distance) / soft + 0.5, 0, 1)
    inside = np.clip((distance - _INNER[category, index]) / soft + 0.5, 0, 1)
    present = (things.radius[:, k] > 0).astype(np.float32)[:, None, None]
    return outside * inside * present, _texture(things.texture[:, k, None, None], dx / radius, dy / radius)


def _texture(texture: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    stripes = 0.85 + 0.15 * np.sin(7.0 * (u + v))
    dots = 0.82 + 0.3 * np.maximum(np.sin(7.0 * u) * np.sin(7.0 * v), -0.5)
    return np.choose(texture, [np.ones_like(u), stripes, dots]).astype(np.float32)


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    centres = ((np.arange(size) + 0.5) / size).astype(np.float32)
    return np.meshgrid(centres, centres, indexing="ij")


def _hashed(seeds: np.ndarray, count: int) -> np.ndarray:
    """Uniform numbers in [0, 1) that depend on the seed alone: (N,) -> (N, count).

    A counter-based mixer (the finaliser of splitmix64) is vectorised, where one generator a seed would be slow.
    """
    with np.errstate(over="ignore"):
        z = seeds.astype(np.uint64)[:, None] * np.uint64(0x9E3779B97F4A7C15)
        z = z + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0xD1B54A32D192ED03)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) / 2**53


def _outlines() -> tuple[np.ndarray, np.ndarray]:
    """Outer and inner boundary of every class over the angle: two (C, 256) float32, in radii."""
    angle = (np.arange(_ANGLES) + 0.5) / _ANGLES * 2 * np.pi

    def polygon(corners: int, size: float, start: float) -> np.ndarray:
        wedge = 2 * np.pi / corners
        return size * np.cos(wedge / 2) / np.cos((angle - start) % wedge - wedge / 2)

    def box(width: float, height: float) -> np.ndarray:
        return np.minimum(
            width / np.maximum(np.abs(np.cos(angle)), 1e-6), height / np.maximum(np.abs(np.sin(angle)), 1e-6)
        )

    up = -np.pi / 2  # rows grow downwards, so this is the top of the picture
    spikes = np.abs(((angle - up) / (2 * np.pi / 5) + 0.5) % 1 - 0.5) * 2
    outlines = {
        "disc": np.full(_ANGLES, 0.85),
        "ring": np.full(_ANGLES, 1.0),
        "triangle": polygon(3, 1.15, up),
        "square": polygon(4, 1.1, up + np.pi / 4),
        "star": 1.2 - 0.75 * spikes,
        "cross": np.maximum(box(1.0, 0.33), box(0.33, 1.0)),
        "bar": box(1.15, 0.35),
        "heart": _heart(angle),
    }
    inner = np.zeros((len(CLASSES), _ANGLES))
    inner[CLASSES.index("ring")] = 0.55
    return np.stack([outlines[name] for name in CLASSES]).astype(np.float32), inner.astype(np.float32) - 1e-3


def _heart(angle: np.ndarray) -> np.ndarray:
    """A heart, point down: two lobes above a notch, straight flanks below."""
    from_top = np.abs((angle + np.pi / 2 + np.pi) % (2 * np.pi) - np.pi)
    knots = np.array([0.0, 0.25, 0.6, 1.0, 1.6, 2.3, 2.8, np.pi])
    radii = np.array([0.35, 0.75, 1.0, 1.0, 0.78, 0.72, 0.9, 1.15])
    return np.interp(from_top, knots, radii)


_OUTER, _INNER = _outlines()
