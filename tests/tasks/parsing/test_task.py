"""The task: its scores, its options, and what the procedural world is worth without a model."""

from __future__ import annotations

import numpy as np
import pytest

from registry.errors import UserError
from tasks.parsing.han import HanHead
from tasks.parsing.head import LinearParser
from tasks.parsing.metrics import clip_scores, event_counts, segment_counts, split_scores
from tasks.parsing.task import Parsing
from tasks.synthetic import store
from tasks.synthetic.scene import make_scene


def said(name: str, predicted: np.ndarray, truth: np.ndarray, labels: list[bool]) -> dict:
    return {"id": name, "predicted": predicted, "truth": truth, "labels": np.array(labels)}


def test_ten_scores_and_the_items_behind_the_first():
    """Clip a, one class heard and seen for ten seconds: half of it is found in both. Clip b, nothing said of two."""
    truth = np.ones((2, 2, 10), dtype=bool)
    truth[:, 1] = False
    half = truth.copy()
    half[..., 5:] = False
    task = Parsing()
    evaluation = task.evaluate(
        [said("a", half, truth, [True, False]), said("b", np.zeros_like(truth), np.ones_like(truth), [True, True])]
    )
    scores = evaluation.scores
    third = 100 * (2 * 5 / (2 * 5 + 5)) / 2
    for name in ("audio", "visual", "audio_visual", "type_at_av", "event_at_av"):
        assert scores[name] == pytest.approx(third)
        assert scores[f"event_level_{name}"] == pytest.approx(50)
    assert scores["known_labels_type_at_av"] == pytest.approx(100)
    assert [(item.item, item.score, item.kind) for item in evaluation.items] == [
        ("a", pytest.approx(2 / 3), "1 label"), ("b", 0, "2 labels"),
    ]  # fmt: skip
    assert 100 * np.mean([item.score for item in evaluation.items]) == pytest.approx(scores[task.primary_metric])


@pytest.mark.parametrize(
    ("count", "always", "expected"),
    [
        (segment_counts, False, (0, 0, 0, 0, 0)),
        (segment_counts, True, (44.1, 63.5, 27.9, 45.2, 60.2)),
        (event_counts, True, (47.0, 67.0, 29.2, 47.7, 65.2)),
    ],
)
def test_known_labels_are_worth_less_than_half_in_the_procedural_world(count, always, expected):
    """Of the 512 test scenes: nothing said, and the true labels in every second, heard and seen."""
    clips = []
    for seed in store.seeds("event", "test"):
        events = make_scene(seed).events_by_modality()
        truth = (events["audio"], events["visual"])
        known = np.broadcast_to((truth[0] | truth[1]).any(1, keepdims=True), truth[0].shape) & always
        clips.append(clip_scores(count, (known, known), truth))
    assert tuple(split_scores(clips).values()) == pytest.approx(expected, abs=0.06)


def test_training_knows_labels_alone_and_the_other_splits_events():
    task = Parsing()
    assert (task.segments, len(task.classes)) == (6, 8)
    assert (task.labels[0], task.labels[8]) == ("heard: disc", "seen: disc")
    assert set(task.dataset("train")[0]["targets"]) == {"id", "labels"}
    item = task.dataset("validation")[0]["targets"]
    assert set(item) == {"id", "labels", "audio", "visual"}
    assert item["audio"].shape == item["visual"].shape == (8, 6)
    assert ((item["audio"] | item["visual"]).any(1).float() == item["labels"]).all()
    assert task.data_identity() == "synthetic@1"


def test_heads_by_name():
    assert isinstance(Parsing().head(16), LinearParser)
    published = Parsing(data="llp", head="han", encode="apart").head(16)
    assert isinstance(published, HanHead)
    assert published.apart
    assert published.readout.event.out_features == 25


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"head": "ham"}, "han"),
        ({"encode": "alone"}, "apart"),
        ({"segments": 5}, "means nothing for data='synthetic'"),
        ({"resize": True}, "prepared stores"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, words):
    with pytest.raises(UserError, match=words):
        Parsing(**options)
