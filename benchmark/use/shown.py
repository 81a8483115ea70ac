"""What the picture and the page of a prediction both show, in words and numbers."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from benchmark.use.prediction import Prediction

CLASSES = 8
"""Lanes of classes, or bars of a clip as a whole, at most."""
NAME = 48
"""Characters of a label, title or source that are shown."""


def shown_classes(prediction: Prediction) -> list[int]:
    """Numbers of the labels that are shown: what is on, or else the best of each row; then the likeliest others."""
    rows = prediction.probabilities
    if prediction.active is None:
        best = list(dict.fromkeys(rows.argmax(axis=1).tolist()))
    else:
        best = np.flatnonzero(prediction.active.any(axis=0)).tolist()
    others = [index for index in np.argsort(-rows.max(axis=0), kind="stable").tolist() if index not in best]
    return (best + others)[:CLASSES]


def marked(prediction: Prediction) -> NDArray[np.bool_]:
    """Which cells of the lanes are what the model says: labels that are on, or else the best of each row of several."""
    if prediction.active is not None:
        return prediction.active
    rows = prediction.probabilities
    if rows.shape[1] == 1:
        return np.zeros(rows.shape, dtype=bool)
    return rows.argmax(axis=1)[:, None] == np.arange(rows.shape[1])


def plain(text: str, most: int = NAME) -> str:
    """One line without control or invisible characters, cut in the middle."""
    visible = "".join(" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in text)
    line = " ".join(visible.split())
    return line if len(line) <= most else f"{line[: most // 2]}…{line[-(most - most // 2 - 1) :]}"


def span(prediction: Prediction) -> tuple[float, float]:
    """Begin and end of what was read, in seconds of the file."""
    return prediction.times[0][0], prediction.times[-1][1]


def envelope(waveform: NDArray[np.float32], columns: int) -> NDArray[np.float32]:
    """The least and the largest sample of each column: (samples,) -> (columns, 2)."""
    edges = np.linspace(0, len(waveform), min(columns, len(waveform)) + 1).astype(int)
    parts = [waveform[first:last] for first, last in pairwise(edges)]
    return np.array([(part.min(), part.max()) for part in parts], np.float32).reshape(-1, 2)


def spectrum(log_mels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Segments side by side, low bands below, 0 to 1: (T, mels, columns) -> (mels, T · columns)."""
    joined = np.concatenate(list(log_mels), axis=1)[::-1]
    low, high = float(joined.min()), float(joined.max())
    return ((joined - low) / (high - low or 1.0)).astype(np.float32)


def measure(prediction: Prediction) -> str:
    """What the numbers are, in words."""
    if prediction.masks is not None:
        return "share of the frame"
    return "similarity" if is_similarity(prediction) else "probability"


def is_similarity(prediction: Prediction) -> bool:
    """Whether the numbers are cosine similarities and no probabilities."""
    return prediction.labels == ("match",)
