from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from registry.vocabulary import Answers
from results.statistics.errors import errors_of

CLASSES = ("car", "dog", "owl")


def answers(seed: int = 0, items: int = 300) -> Answers:
    generator = np.random.default_rng(seed)
    labels = np.random.default_rng(9).integers(0, 3, items)
    logits = generator.normal(0, 1, (items, 3))
    logits[np.arange(items), labels] += 1
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    names = tuple(f"clip{i}" for i in range(items))
    return Answers({}, CLASSES, names, labels, probabilities.argmax(1), probabilities)


def test_confusion_precision_and_recall_are_those_of_scikit_learn() -> None:
    runs = [answers(0), answers(1)]
    found = errors_of(runs)
    labels, predicted = (np.concatenate([getattr(run, part) for run in runs]) for part in ("labels", "predicted"))
    assert (found.confusion == metrics.confusion_matrix(labels, predicted)).all()
    precision, recall, _, _ = metrics.precision_recall_fscore_support(labels, predicted)
    assert [one.precision for one in found.classes] == pytest.approx(100 * precision)
    assert [one.recall for one in found.classes] == pytest.approx(100 * recall)
    assert sum(one.items for one in found.classes) == 300


def test_calibration_by_hand() -> None:
    # Two items at 0.9 of which one is right, one at 0.6 that is right: (2 x |90 - 50| + |60 - 100|) / 3.
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
    run = Answers({}, ("a", "b"), ("x", "y", "z"), np.array([0, 1, 1]), np.array([0, 0, 1]), probabilities)
    assert errors_of([run]).calibration_error == pytest.approx(40.0)


def test_the_worst_items_come_first() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    run = Answers({}, ("a", "b"), ("x", "y", "z"), np.array([0, 0, 1]), np.array([0, 1, 1]), probabilities)
    worst = errors_of([run]).worst[0]
    assert (worst.item, worst.truth, worst.predicted, worst.probability) == ("y", "a", "b", pytest.approx(20.0))


def test_without_probabilities_confusion_is_known_and_calibration_is_not() -> None:
    whole = answers()
    found = errors_of([Answers({}, CLASSES, whole.items, whole.labels, whole.predicted)])
    assert found.confusion.sum() == 300
    assert (found.calibration_error, found.reliability, found.worst) == (None, (), ())


def test_runs_of_other_items_have_no_errors_in_common() -> None:
    assert errors_of([answers(items=300), answers(items=299)]) is None
    assert errors_of([Answers({"chance": 1.0})]) is None
