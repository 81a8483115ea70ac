"""What happens in a clip of the procedural world: things with a look, a sound, a place and a time.

A class has one look (its shape) and one sound (its rhythm); colour, texture, size, motion, pitch and loudness are
nuisance. A thing that is seen and heard is the event; things may also be silent, or heard from off screen.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from registry.vocabulary import Modality

CLASSES = ("disc", "ring", "triangle", "square", "star", "cross", "bar", "heart")
COLOURS = ("red", "green", "blue", "yellow", "purple", "white")
TEXTURES = ("plain", "striped", "dotted")
PLACES = ("left", "middle", "right")
SEGMENTS = 6

Kind = Literal["event", "ensemble"]
Span = tuple[int, int]
"""Whole seconds [start, end)."""


@dataclass(frozen=True)
class Thing:
    """One object. `seen` is None for a sound from off screen, `heard` is None for a silent object."""

    category: int
    colour: int
    texture: int
    place: int
    seen: Span | None
    heard: Span | None
    x: float
    y: float
    drift: tuple[float, float]
    """Motion over the whole clip, in picture sides."""
    radius: float
    angle: float
    pitch: float
    """Fundamental frequency in hertz."""
    loudness: float
    timbre: int
    """Seed of the harmonic amplitudes and of the phase of the rhythm."""

    @property
    def event(self) -> Span | None:
        """When the thing is seen and heard at once."""
        if self.seen is None or self.heard is None:
            return None
        start, end = max(self.seen[0], self.heard[0]), min(self.seen[1], self.heard[1])
        return (start, end) if start < end else None


@dataclass(frozen=True)
class Event:
    """A class that is visible and audible in the seconds [start, end)."""

    category: int
    start: int
    end: int


@dataclass(frozen=True)
class Scene:
    """All things of one clip, in painting order, over a background and under noise."""

    seed: int
    segments: int
    things: tuple[Thing, ...]
    background: int
    """Seed of the background picture."""
    noise: float
    """Standard deviation of the noise under the sounds."""

    @property
    def event(self) -> Event:
        """The event of an `event` scene: the first thing that is seen and heard.

        Raises:
            ValueError: nothing in the scene is both seen and heard.
        """
        for thing in self.things:
            if thing.event:
                return Event(thing.category, *thing.event)
        raise ValueError(f"scene {self.seed} has no thing that is seen and heard at once")

    def labels(self) -> np.ndarray:
        """The class of each second, or `len(CLASSES)` for background: (segments,) int64."""
        labels = np.full(self.segments, len(CLASSES), dtype=np.int64)
        labels[self.event.start : self.event.end] = self.event.category
        return labels

    def events_by_modality(self) -> dict[Modality, np.ndarray]:
        """Whether a thing of each class is heard, and whether one is seen, in each second: (C, segments) bool each."""
        events: dict[Modality, np.ndarray] = {
            m: np.zeros((len(CLASSES), self.segments), dtype=bool) for m in ("audio", "visual")
        }
        for thing in self.things:
            for modality, span in (("audio", thing.heard), ("visual", thing.seen)):
                if span is not None:
                    events[modality][thing.category, span[0] : span[1]] = True  # type: ignore[index]
        return events


def make_scene(seed: int, segments: int = SEGMENTS, kind: Kind = "event") -> Scene:
    """Draw a scene; the same seed, length and kind give the same scene.

    `event`: one thing seen and heard for 40-85 % of the clip, silent things and off-screen sounds around it (as AVE).
    `ensemble`: one to three things in different places, one after the other; some sound, and sounds come from off
    screen (as MUSIC-AVQA).
    """
    rng = np.random.default_rng([seed, segments, 1 if kind == "ensemble" else 0])
    spans = _event_spans(rng, segments) if kind == "event" else _ensemble_spans(rng, segments)
    categories = rng.permutation(len(CLASSES))
    colours = rng.permutation(len(COLOURS))
    places = rng.permutation(len(PLACES))
    loudness = rng.permutation([1.0, 0.6, 0.36, 0.2]) * rng.uniform(0.85, 1.0)
    things = [
        _thing(rng, int(categories[i]), int(colours[i]), int(places[i % 3]), seen, heard, float(loudness[i]))
        for i, (seen, heard) in enumerate(spans)
    ]
    order = rng.permutation(len(things))
    return Scene(
        seed=seed,
        segments=segments,
        things=tuple(things[i] for i in order),
        background=int(rng.integers(2**31)),
        noise=float(rng.uniform(0.002, 0.01)),
    )


def _event_spans(rng: np.random.Generator, segments: int) -> list[tuple[Span | None, Span | None]]:
    length = int(rng.integers(round(0.4 * segments), round(0.85 * segments) + 1))
    start = int(rng.integers(0, segments - length + 1))
    end = start + length
    # On either side of the event the thing is absent, only seen or only heard, for a stretch that touches the event.
    seen, heard = [start, end], [start, end]
    for side, room in ((0, start), (1, segments - end)):
        stretch = int(rng.integers(0, room + 1))
        span = (None, seen, heard)[rng.integers(3)]
        if span is not None:
            span[side] += stretch if side else -stretch
    spans: list[tuple[Span | None, Span | None]] = [((seen[0], seen[1]), (heard[0], heard[1]))]
    silent = rng.choice(3, p=[0.1, 0.5, 0.4])
    spans += [(_span(rng, segments, 2), None) for _ in range(silent)]
    if rng.random() < 0.6:
        spans.append((None, _span(rng, segments, 2)))
    return spans


def _ensemble_spans(rng: np.random.Generator, segments: int) -> list[tuple[Span | None, Span | None]]:
    """Things that come by one after the other, neighbours overlapping by a second at times; half of them sound."""
    visible = int(rng.choice([1, 2, 3], p=[0.1, 0.45, 0.45]))
    cuts = np.linspace(0, segments, visible + 1).round().astype(int)
    spans: list[tuple[Span | None, Span | None]] = []
    for start, end in pairwise(cuts.tolist()):
        seen = (max(start - int(rng.integers(2)), 0), max(end - int(rng.integers(2)), start + 1))
        spans.append((seen, seen if rng.random() < 0.5 else None))
    if rng.random() < 0.3 or not any(heard for _, heard in spans):
        spans.append((None, _span(rng, segments, 2)))
    return spans


def _span(rng: np.random.Generator, length: int, shortest: int, offset: int = 0) -> Span:
    size = int(rng.integers(min(shortest, length), length + 1))
    start = offset + int(rng.integers(0, length - size + 1))
    return (start, start + size)


def _thing(
    rng: np.random.Generator,
    category: int,
    colour: int,
    place: int,
    seen: Span | None,
    heard: Span | None,
    loudness: float,
) -> Thing:
    return Thing(
        category=category,
        colour=colour,
        texture=int(rng.integers(len(TEXTURES))),
        place=place,
        seen=seen,
        heard=heard,
        x=(place + 0.5) / 3 + float(rng.uniform(-0.05, 0.05)),
        y=float(rng.uniform(0.25, 0.75)),
        drift=(float(rng.uniform(-0.04, 0.04)), float(rng.uniform(-0.15, 0.15))),
        radius=float(rng.uniform(0.14, 0.19)),
        angle=float(rng.uniform(-0.35, 0.35)),
        pitch=float(np.exp(rng.uniform(np.log(220), np.log(900)))),
        loudness=loudness,
        timbre=int(rng.integers(2**31)),
    )
