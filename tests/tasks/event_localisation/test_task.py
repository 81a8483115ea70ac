"""Segment accuracy by hand."""

import pytest

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
    assert [(item.score, item.kind) for item in evaluation.items] == [(0.75, "disc"), (0.0, "background")]
