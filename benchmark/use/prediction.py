"""What a trained model says of one clip, together with what it saw and heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.parsing.metrics import runs
from tasks.segmentation.overlay import TRUE, draw_mask


class Event(NamedTuple):
    """A label that is on without a break."""

    begin: float
    """Seconds of the file."""
    end: float
    label: str
    probability: float
    """The mean over its rows."""


@dataclass(frozen=True)
class Prediction:
    """Of one clip: probabilities by segment or as a whole, and the frames and sound behind them."""

    task: str
    """Registered name of the task."""
    source: str
    """The path as it was given."""
    labels: tuple[str, ...]
    """Classes or answers that the last axis of `probabilities` counts."""
    probabilities: NDArray[np.float32]
    """(rows, labels). A row is a segment in event localisation, else the clip; in retrieval a cosine similarity."""
    times: tuple[tuple[float, float], ...]
    """Begin and end of each row, in seconds of the file."""
    question: str | None
    """What was asked, in words; None where the task asks nothing of its own."""
    notes: tuple[str, ...]
    """What was unusual about the file, such as `no sound track`."""
    frames: NDArray[np.uint8]
    """(T, H, W, 3), those that the model saw."""
    frame_times: tuple[float, ...]
    """Seconds of the file at which the frames were taken."""
    waveform: NDArray[np.float32]
    """(samples,) within -1 and 1, of the part that the model heard."""
    sample_rate: int
    """Samples of `waveform` per second."""
    log_mels: NDArray[np.float32] | None
    """(T, mels, columns) as the model saw them; None without sound."""
    model: str
    """The model's row and the hash of its record."""
    warnings: tuple[str, ...]
    """Labels of the model: `synthetic data`, `random weights`, `selected on test`."""
    masks: NDArray[np.bool_] | None = None
    """(T, M, M), the pixels of each frame that segmentation marks; None of other tasks."""
    true_masks: tuple[NDArray[np.bool_] | None, ...] | None = None
    """T masks (M, M) of the manifest that the clip comes from, None where a segment has none; None without any."""
    active: NDArray[np.bool_] | None = None
    """(rows, labels), which labels are on in each row, in video parsing; None where labels exclude each other."""

    @property
    def shown_frames(self) -> NDArray[np.uint8]:
        """The frames with masks drawn over them, where there are any: (T, H, W, 3)."""
        if self.masks is None:
            return self.frames
        return np.stack([draw_mask(frame, mask) for frame, mask in zip(self.frames, self.masks, strict=True)])

    @property
    def true_frames(self) -> NDArray[np.uint8] | None:
        """The frames with the manifest's masks over them, pale where a segment has none: (T, H, W, 3)."""
        if self.true_masks is None:
            return None
        return np.stack([_with_truth(*both) for both in zip(self.frames, self.true_masks, strict=True)])

    @property
    def events(self) -> tuple[Event, ...]:
        """What is on from when to when, in order of beginning; empty where labels exclude each other."""
        if self.active is None:
            return ()
        found = [
            Event(self.times[first][0], self.times[end - 1][1], label, float(values[first:end].mean()))
            for label, on, values in zip(self.labels, self.active.T, self.probabilities.T, strict=True)
            for first, end in runs(on).tolist()
        ]
        return tuple(sorted(found, key=lambda event: (event.begin, event.end)))

    @property
    def best(self) -> tuple[str, ...]:
        """The likeliest label of each row."""
        return tuple(self.labels[index] for index in self.probabilities.argmax(axis=-1))

    def to_dict(self) -> dict[str, Any]:
        """Everything but frames and sound, as JSON has it."""
        best = self.probabilities.argmax(axis=-1)
        return {
            "task": self.task,
            "source": self.source,
            "model": self.model,
            "question": self.question,
            "rows": [
                {
                    "begin": begin,
                    "end": end,
                    "label": self.labels[index],
                    "probability": float(row[index]),
                    "probabilities": dict(zip(self.labels, map(float, row), strict=True)),
                }
                for (begin, end), row, index in zip(self.times, self.probabilities, best, strict=True)
            ],
            **({} if self.active is None else {"events": [event._asdict() for event in self.events]}),
            "notes": list(self.notes),
            "warnings": list(self.warnings),
        }


def _with_truth(frame: NDArray[np.uint8], mask: NDArray[np.bool_] | None) -> NDArray[np.uint8]:
    if mask is None:
        return draw_mask(frame, np.zeros((1, 1), bool)) // 4 + 190
    return draw_mask(frame, mask, TRUE)
