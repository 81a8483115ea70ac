"""A prediction as no model makes it, with text that would break a careless page or picture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from benchmark.use.exchange_map import ExchangeMap
from benchmark.use.prediction import Prediction

T = 4
HOSTILE = "$\\frac{ <script>alert(1)</script> <img src=x onerror=alert(1)> ' \" & </style> {{data}} \u202e\n\x1b[31m"
NO_MAP = ExchangeMap(None, None, "There is no sound, so sight took nothing from it.")


def exchange() -> ExchangeMap:
    heat = np.linspace(0, 0.5, T * 4, dtype=np.float32).reshape(T, 2, 2)
    return ExchangeMap(heat, heat / 4, "Tokens moved.")


def prediction(**changes: Any) -> Prediction:
    """Four segments of four seconds each, three labels."""
    random = np.random.default_rng(0)
    rows = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.9, 0.05, 0.05]], np.float32)
    made = Prediction(
        task="event_localisation",
        source="clips/dog.mp4",
        labels=("dog", "cat", "silence"),
        probabilities=rows,
        times=tuple((4.0 * n, 4.0 * n + 4) for n in range(T)),
        question=None,
        notes=(),
        frames=random.integers(0, 256, (T, 16, 16, 3), dtype=np.uint8),
        frame_times=tuple(4.0 * n + 2 for n in range(T)),
        waveform=np.sin(np.arange(16 * 1600) / 40).astype(np.float32),
        sample_rate=1600,
        log_mels=random.random((T, 8, 10)).astype(np.float32),
        model="tiny_vit/lavish/event_localisation (ab12)",
        warnings=("synthetic data",),
    )
    return replace(made, **changes)


def hostile() -> Prediction:
    return prediction(
        source=HOSTILE,
        labels=(HOSTILE, "b", "c"),
        notes=(HOSTILE,),
        model=HOSTILE,
        warnings=(HOSTILE,),
        question=HOSTILE,
    )


def as_a_whole(**changes: Any) -> Prediction:
    """One row for the whole clip."""
    first = prediction()
    return prediction(task="avqa", probabilities=first.probabilities[:1], times=((0.0, 16.0),), **changes)
