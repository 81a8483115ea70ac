"""F-scores of audio-visual video parsing (ECCV 2020), each of one clip and then averaged over clips.

Predictions and truth are matrices (C, T) bool: whether an event of a class is on in a segment. They are counted by
segments, or by events: the longest runs of segments that are on, two of which match from an intersection over union of
one half on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np


class ClipScores(NamedTuple):
    """F-scores of one clip at one level, 0 to 1."""

    audio: float
    visual: float
    audio_visual: float
    """Of what is heard and seen at once."""
    event_at_av: float
    """Audio and visual counts of each class added before the F-score."""

    @property
    def type_at_av(self) -> float:
        """The mean over audio, visual and both."""
        return (self.audio + self.visual + self.audio_visual) / 3


def segment_counts(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """True positive, false positive and missed segments of each class: (C, T), (C, T) -> (C, 3)."""
    return np.stack([(predicted & truth).sum(1), (predicted & ~truth).sum(1), (~predicted & truth).sum(1)], axis=1)


def event_counts(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """True positive, false positive and missed events of each class: (C, T), (C, T) -> (C, 3).

    No event is assigned to another; from one half on two disjoint runs cannot both reach a third.
    """
    counts = np.zeros((len(predicted), 3), dtype=np.int64)
    for number in np.flatnonzero(predicted.any(1) | truth.any(1)):
        match = _match(runs(predicted[number]), runs(truth[number]))
        hits = int(match.any(1).sum())
        counts[number] = hits, len(match) - hits, (~match.any(0)).sum()
    return counts


def runs(on: np.ndarray) -> np.ndarray:
    """Where a class is on without a break: (T,) bool -> (N, 2), first segment and the one after the last."""
    edges = np.diff(np.pad(on.astype(np.int8), 1))
    return np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)], axis=1)


def f_score(counts: np.ndarray) -> float:
    """The mean F-score of the classes that occur in truth or prediction, 1 where none does: (C, 3) -> 0..1."""
    hits, false, missed = counts[counts.sum(1) > 0].T
    return float((2 * hits / (2 * hits + false + missed)).mean()) if len(hits) else 1.0


def clip_scores(
    count: Callable[[np.ndarray, np.ndarray], np.ndarray],
    predicted: Sequence[np.ndarray] | np.ndarray,
    truth: Sequence[np.ndarray] | np.ndarray,
) -> ClipScores:
    """The scores of one clip.

    Args:
        count: `segment_counts` or `event_counts`.
        predicted, truth: audio and visual, (C, T) bool each.
    """
    audio, visual = (count(p, t) for p, t in zip(predicted, truth, strict=True))
    both = count(predicted[0] & predicted[1], truth[0] & truth[1])
    return ClipScores(f_score(audio), f_score(visual), f_score(both), f_score(audio + visual))


def split_scores(clips: Sequence[ClipScores]) -> dict[str, float]:
    """The five published scores of a level, in percent: means over clips."""
    names = ("audio", "visual", "audio_visual", "type_at_av", "event_at_av")
    return {name: 100 * float(np.mean([getattr(clip, name) for clip in clips])) for name in names}


def _match(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Whether runs overlap by half of their union or more: (P, 2), (Q, 2) -> (P, Q) bool."""
    shared = np.minimum(found[:, None, 1], true[None, :, 1]) - np.maximum(found[:, None, 0], true[None, :, 0])
    lengths = np.diff(found) + np.diff(true).T
    match: np.ndarray = 2 * shared >= lengths - shared
    return match & (shared > 0)
