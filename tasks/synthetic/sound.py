"""The sound of a scene: each class is a rhythm of pitch and loudness, never a frequency band.

All classes share one range of pitches and random harmonics, so that only the course over time tells them apart.
"""

from __future__ import annotations

import numpy as np

from registry.vocabulary import SAMPLE_RATE
from tasks.synthetic.scene import CLASSES, Scene, Thing

_CYCLE = 1024
_FADE = SAMPLE_RATE // 50


def render_sound(scene: Scene) -> np.ndarray:
    """Every audible thing over noise: -> (segments * 16000,) float32 in [-1, 1]."""
    rng = np.random.default_rng([scene.background, 1])
    sound = rng.standard_normal(scene.segments * SAMPLE_RATE, dtype=np.float32) * np.float32(scene.noise)
    for thing in scene.things:
        if thing.heard is not None:
            start, end = (second * SAMPLE_RATE for second in thing.heard)
            sound[start:end] += voice(thing, end - start)
    return np.clip(sound, -1, 1)


def voice(thing: Thing, samples: int) -> np.ndarray:
    """The sound of one thing for a number of samples: -> (samples,) float32."""
    rng = np.random.default_rng(thing.timbre)
    time = np.arange(samples, dtype=np.float32) / SAMPLE_RATE
    bend, level = _rhythm(CLASSES[thing.category], time, rng)
    # The phase needs float64: after ten seconds of a high harmonic float32 is off by a hundredth of a cycle.
    phase = np.cumsum(thing.pitch * bend, dtype=np.float64) / SAMPLE_RATE
    wave = _cycle(rng)[(phase * _CYCLE).astype(np.int64) % _CYCLE] * level
    wave[:_FADE] *= np.linspace(0, 1, _FADE, dtype=np.float32)
    wave[-_FADE:] *= np.linspace(1, 0, _FADE, dtype=np.float32)
    return (0.3 * thing.loudness) * wave


def _cycle(rng: np.random.Generator) -> np.ndarray:
    """One period with four random harmonics, of unit peak."""
    turn = np.arange(_CYCLE) / _CYCLE * 2 * np.pi
    amplitudes = rng.uniform(0.2, 1.0, 4) / np.arange(1, 5)
    wave = sum(a * np.sin(n * turn) for n, a in enumerate(amplitudes, start=1))
    return (wave / np.abs(wave).max()).astype(np.float32)


def _rhythm(name: str, time: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Factor on the pitch and on the loudness over time, for the sound that belongs to a class."""
    offset, pace = rng.uniform(0, 1), rng.uniform(0.85, 1.15)
    one = np.ones_like(time)

    def turns(rate: float) -> np.ndarray:
        return np.float32(rate * pace) * time + np.float32(offset)

    def sawtooth(rate: float) -> np.ndarray:
        return turns(rate) % 1

    def swing(rate: float) -> np.ndarray:
        return np.sin(2 * np.pi * turns(rate))

    def gate(rate: float, share: float) -> np.ndarray:
        return (sawtooth(rate) < share).astype(np.float32)

    rhythms = {
        "disc": lambda: (one, one),  # steady
        "ring": lambda: (1 + 0.2 * swing(3.5), one),  # vibrato
        "triangle": lambda: (one, 0.55 + 0.45 * swing(5.0)),  # tremolo
        "square": lambda: (one, gate(2.5, 0.4)),  # pulses
        "star": lambda: (0.7 + 1.1 * sawtooth(2.0), one),  # rising
        "cross": lambda: (1.8 - 1.1 * sawtooth(2.0), one),  # falling
        "bar": lambda: (1 + 0.5 * gate(2.0, 0.5), one),  # two tones in turn
        "heart": lambda: (one, np.exp(-6 * sawtooth(3.0))),  # struck
    }
    return rhythms[name]()
