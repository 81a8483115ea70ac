"""Segment accuracy by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, recall_score

from registry.errors import UserError
from tasks.event_localisation.task import EventLocalisation


def test_segment_accuracy_by_hand():
    background = len(EventLocalisation().classes) - 1
    predictions = [
        {"id": "a", "predicted": [0, 0, 1, background], "labels": [0, 0, 0, background]},
        {"id": "b", "predicted": [2, 2, 2, 2], "labels": [background] * 4},
    ]
    evaluation = EventLocalisation().evaluate(predictions)
    assert evaluation.scores["segment_accuracy"] == pytest.approx(100 * 3 / 8)
    assert evaluation.scores["event_accuracy"] == pytest.approx(100 * 2 / 3)
    assert evaluation.scores["segment_accuracy/disc"] == pytest.approx(100 * 2 / 3)
    assert evaluation.scores["segment_accuracy/background"] == pytest.approx(100 * 1 / 5)
    assert [(item.score, item.kind) for item in evaluation.items] == [(0.75, "disc"), (0.0, "background")]


def test_background_that_fills_most_segments_is_the_majority_level():
    task = EventLocalisation()
    background = len(task.classes) - 1
    predictions = [{"id": "a", "predicted": [0, 0, 1, 1], "labels": [0, background, background, background]}]
    answers = task.evaluate(predictions).answers
    assert answers.levels == {"chance": pytest.approx(100 / len(task.classes)), "majority": 75.0}
    assert answers.items == ("a#0", "a#1", "a#2", "a#3")
    assert (answers.labels.tolist(), answers.predicted.tolist()) == ([0, *[background] * 3], [0, 0, 1, 1])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000))
def test_accuracies_agree_with_scikit_learn(seed):
    """Accuracy over all segments, and the recall of each class that occurs."""
    task, rng = EventLocalisation(), np.random.default_rng(seed)
    labels, predicted = rng.integers(0, len(task.classes), (2, 5, 10))
    clips = zip(predicted.tolist(), labels.tolist(), strict=True)
    scores = task.evaluate([{"id": str(i), "predicted": p, "labels": y} for i, (p, y) in enumerate(clips)]).scores
    assert scores["segment_accuracy"] == pytest.approx(100 * accuracy_score(labels.ravel(), predicted.ravel()))
    present = np.unique(labels)
    recalls = recall_score(labels.ravel(), predicted.ravel(), labels=present, average=None)
    assert [scores[f"segment_accuracy/{task.classes[c]}"] for c in present] == pytest.approx(100 * recalls)


def test_clips_without_any_event():
    background = len(EventLocalisation().classes) - 1
    prediction = {"id": "a", "predicted": [background, 0], "labels": [background, background]}
    assert EventLocalisation().evaluate([prediction]).scores == {
        "segment_accuracy": 50.0,
        "segment_accuracy/background": 50.0,
    }


def test_sizes_without_files_train_nothing():
    task = EventLocalisation(data="ave")
    assert (len(task.classes), task.segments) == (29, 10)
    with pytest.raises(UserError, match=r"give its folder, as in data=\./ave"):
        task.data_identity()
