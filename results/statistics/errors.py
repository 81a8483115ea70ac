"""What a row gets wrong: confusion of classes, precision and recall of each, calibration, and the worst items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from registry.vocabulary import Answers
from results.statistics.bootstrap import mean

BINS = 15
"""Of confidence, of equal width, as Guo et al. 2017 have them."""
WORST = 10


@dataclass(frozen=True)
class ClassScore:
    """One class over all seeds, in percent; None where it was never predicted, or never true."""

    name: str
    precision: float | None
    recall: float | None
    items: int
    """With this label, in one seed's test."""


@dataclass(frozen=True)
class Bin:
    """Items of like confidence: its mean, the share that is right, both in percent, and how many they are."""

    confidence: float
    accuracy: float
    items: int


@dataclass(frozen=True)
class WorstItem:
    """An item whose truth got little probability over the seeds."""

    item: str
    truth: str
    predicted: str
    """Most often over the seeds."""
    probability: float
    """Of the truth, in percent, the mean over seeds."""


@dataclass(frozen=True, eq=False)
class Errors:
    """What the seeds of one row got wrong."""

    confusion: NDArray[np.int64]
    """(C, C): truth × prediction, summed over seeds."""
    classes: tuple[ClassScore, ...]
    calibration_error: float | None
    """Expected calibration error in points; None without probabilities."""
    reliability: tuple[Bin, ...]
    worst: tuple[WorstItem, ...]


def errors_of(runs: Sequence[Answers]) -> Errors | None:
    """The errors of several seeds on the same items; None where they have no classes in common."""
    known = [run for run in runs if run.labels is not None and run.predicted is not None]
    if not known or any(run.classes != known[0].classes or run.items != known[0].items for run in known):
        return None
    labels = np.concatenate([run.labels for run in known if run.labels is not None])
    predicted = np.concatenate([run.predicted for run in known if run.predicted is not None])
    confusion = confusion_matrix(labels, predicted, len(known[0].classes))
    probabilities = [run.probabilities for run in known if run.probabilities is not None]
    complete = len(probabilities) == len(known)
    bins = reliability(np.concatenate(probabilities), labels) if complete else ()
    return Errors(
        confusion,
        _class_scores(confusion, known[0].classes, len(known)),
        expected_calibration_error(bins) if complete else None,
        bins,
        _worst(known, probabilities) if complete else (),
    )


def confusion_matrix(labels: NDArray[np.int_], predicted: NDArray[np.int_], classes: int) -> NDArray[np.int64]:
    """(N,), (N,) numbers of classes -> (C, C) counts, truth × prediction."""
    counts = np.bincount(labels.astype(np.int64) * classes + predicted, minlength=classes**2)
    return counts.reshape(classes, classes)


def reliability(probabilities: NDArray[np.floating], labels: NDArray[np.int_]) -> tuple[Bin, ...]:
    """Bins of confidence that hold items, (N, C), (N,); confidence is the largest probability of an item."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    return tuple(
        Bin(100 * float(confidence[own].mean()), 100 * float(right[own].mean()), int(own.sum()))
        for number in range(BINS)
        if (own := place == number).any()
    )


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """The mean distance of confidence and accuracy over items, in points (Guo et al. 2017, equation 3)."""
    return sum(one.items * abs(one.confidence - one.accuracy) for one in bins) / sum(one.items for one in bins)


def _class_scores(confusion: NDArray[np.int64], names: Sequence[str], seeds: int) -> tuple[ClassScore, ...]:
    right, said, true = np.diagonal(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
    return tuple(
        ClassScore(
            name,
            100 * float(right[c] / said[c]) if said[c] else None,
            100 * float(right[c] / true[c]) if true[c] else None,
            int(true[c]) // seeds,
        )
        for c, name in enumerate(names)
    )


def _worst(runs: Sequence[Answers], probabilities: Sequence[NDArray[np.floating]]) -> tuple[WorstItem, ...]:
    labels = runs[0].labels
    assert labels is not None
    of_truth = np.stack([p[np.arange(len(labels)), labels] for p in probabilities]).mean(axis=0, dtype=np.float64)
    votes = np.stack([run.predicted for run in runs if run.predicted is not None])
    found = []
    for place in np.argsort(of_truth, kind="stable")[:WORST]:
        said = int(np.bincount(votes[:, place]).argmax())
        names = runs[0].classes[int(labels[place])], runs[0].classes[said]
        found.append(WorstItem(runs[0].items[place], *names, 100 * mean([float(of_truth[place])])))
    return tuple(found)
