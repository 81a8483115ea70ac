"""The task: its scores counted by hand, its options, its head on a backbone."""

from __future__ import annotations

import numpy as np
import pytest

from registry.errors import UserError
from registry.vocabulary import Stage
from tasks.segmentation.avsbench import AvsBenchHead
from tasks.segmentation.head import PatchDrawer
from tasks.segmentation.metrics import THRESHOLDS, FrameCounts
from tasks.segmentation.task import Segmentation


def counts(iou: list[float], true: list[int], hit: list[int], marked: list[int]) -> FrameCounts:
    wide = lambda values: np.repeat(np.array(values)[:, None], THRESHOLDS, 1)  # noqa: E731
    return FrameCounts(np.array(iou), np.array(true), wide(marked), wide(hit))


def test_scores_by_hand():
    """Two clips of two frames: one with an object in both, one without any in the second."""
    task = Segmentation()
    evaluation = task.evaluate(
        [
            {"id": "a", "category": 0, "counts": counts([0.5, 0.7], [10, 10], [5, 10], [5, 10])},
            {"id": "b", "category": 1, "counts": counts([0.2, 1.0], [10, 0], [10, 0], [20, 0])},
        ]
    )
    scores = evaluation.scores
    assert scores["miou"] == pytest.approx(100 * (0.5 + 0.7 + 0.2 + 1.0) / 4)
    assert scores["miou_sounding"] == pytest.approx(100 * (0.5 + 0.7 + 0.2) / 3)
    half, whole, wide = 1.3 * 0.5 / (0.3 + 0.5), 1.0, 1.3 * 0.5 / (0.3 * 0.5 + 1)
    assert scores["f_score_split"] == pytest.approx(100 * (half + whole + wide) / 3)
    assert scores["f_score"] == scores["f_score_split"]
    assert scores[f"miou/{task.classes[0]}"] == pytest.approx(60)
    assert [(item.item, item.score, item.kind) for item in evaluation.items] == [
        ("a", pytest.approx(0.6), task.classes[0]), ("b", pytest.approx(0.6), task.classes[1]),
    ]  # fmt: skip
    assert 100 * np.mean([item.score for item in evaluation.items]) == pytest.approx(scores[task.primary_metric])


def test_nothing_predicted_anywhere_is_worth_the_empty_frames_alone():
    evaluation = Segmentation().evaluate(
        [{"id": "a", "category": 0, "counts": counts([0.0, 1.0], [9, 0], [0, 0], [0, 0])}]
    )
    scores = evaluation.scores
    assert (scores["miou"], scores["miou_sounding"], scores["f_score"]) == (50.0, 0.0, 0.0)


def test_without_any_object_there_is_no_score_over_objects():
    scores = Segmentation().evaluate([{"id": "a", "category": 0, "counts": counts([1.0], [0], [0], [0])}]).scores
    assert "miou_sounding" not in scores


def test_the_head_is_built_for_the_stages_of_a_backbone():
    stages = (Stage(32, 8, 4), Stage(64, 4, 8))
    linear = Segmentation().head_on(64, stages)
    assert isinstance(linear, PatchDrawer)
    assert sum(p.numel() for p in linear.parameters()) == 1364
    assert linear.side == 32
    assert isinstance(Segmentation(head="avsbench").head_on(64, stages), AvsBenchHead)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"modality": "audio"}, "no picture to draw on"),
        ({"head": "linea"}, "linear"),
        ({"start": "stg"}, "stg_cma"),
        ({"tpavi": ()}, "of head='avsbench'"),
        ({"matching": 0.5}, "of head='avsbench'"),
        ({"head": "avsbench", "tpavi": "all"}, "no tuple of stages"),
        ({"sampling": "published"}, "means nothing for data='synthetic'"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, words):
    with pytest.raises(UserError, match=words):
        Segmentation(**options)


def test_one_stage_may_be_given_as_a_number():
    assert Segmentation(head="avsbench", tpavi=2).tpavi == (2,)
