"""Scores counted by hand, frames without an object among them; the official values are in tests/golden/avs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tasks.segmentation.metrics import (
    count_frames,
    f_curves,
    f_score,
    f_score_in_groups,
    frame_iou,
    joined_counts,
    thresholds,
)

ON, OFF = 20.0, -20.0
"""Logits of pixels that are surely marked and surely not."""


def frame(rows: list[str]) -> torch.Tensor:
    return torch.tensor([[pixel == "x" for pixel in row] for row in rows])


def logits(rows: list[str]) -> torch.Tensor:
    return torch.where(frame(rows), ON, OFF)


OBJECT = frame(["xx..", "xx..", "....", "...."])
NOTHING = torch.zeros(4, 4, dtype=torch.bool)


@pytest.mark.parametrize(
    ("predicted", "truth", "iou"),
    [
        (["xx..", "xx..", "....", "...."], OBJECT, 1.0),
        (["xxx.", "xxx.", "....", "...."], OBJECT, 4 / 6),
        ([".xx.", ".xx.", "....", "...."], OBJECT, 2 / 6),
        (["....", "....", "....", "...."], OBJECT, 0.0),
        (["....", "....", "....", "...."], NOTHING, 1.0),
        (["xx..", "....", "....", "...."], NOTHING, 14 / 16),
        (["xxxx", "xxxx", "xxxx", "xxxx"], NOTHING, 0.0),
    ],
)
def test_iou_of_a_frame(predicted, truth, iou):
    assert float(frame_iou(logits(predicted)[None], truth[None])) == pytest.approx(iou, abs=1e-6)


def test_a_probability_of_one_half_is_background_for_iou_and_marked_for_f():
    half = torch.zeros(1, 2, 2)
    assert float(frame_iou(half, torch.ones(1, 2, 2))) == 0
    counts = count_frames(half, torch.ones(1, 2, 2))
    assert counts.marked[0, :127].tolist() == [4] * 127
    assert counts.marked[0, 128:].tolist() == [0] * 127


def test_the_first_threshold_marks_everything_and_the_last_what_is_saturated():
    counts = count_frames(torch.tensor([[[ON, 200.0], [OFF, 0.0]]]), torch.tensor([[[1, 0], [0, 0]]]))
    assert counts.marked[0, 0] == 4
    assert counts.marked[0, -1] == (thresholds()[-1] <= torch.tensor([ON, 200.0]).sigmoid()).sum()
    assert counts.hit[0].tolist() == (counts.marked[0] > 0).astype(int).tolist()
    assert counts.true.tolist() == [1]


def test_counts_are_those_of_a_comparison_with_every_threshold():
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(3, 5, 7, generator=generator) * 4
    masks = torch.rand(3, 5, 7, generator=generator) > 0.7
    counts = count_frames(drawn, masks)
    for place, threshold in enumerate(thresholds()):
        marked = drawn.sigmoid() >= threshold
        assert counts.marked[:, place].tolist() == marked.flatten(1).sum(1).tolist()
        assert counts.hit[:, place].tolist() == (marked & masks).flatten(1).sum(1).tolist()


def test_f_weighs_precision_more_than_recall():
    """P = 4 / 6 and R = 1, then P = 1 and R = 2 / 4, at every threshold but the first."""
    wide, narrow = logits(["xxx.", "xxx.", "....", "...."]), logits(["x...", "x...", "....", "...."])
    curves = f_curves(count_frames(torch.stack([wide, narrow]), torch.stack([OBJECT, OBJECT])))
    assert curves[0, 100] == pytest.approx(1.3 * (4 / 6) / (0.3 * 4 / 6 + 1))
    assert curves[1, 100] == pytest.approx(1.3 * 0.5 / (0.3 + 0.5))


def test_frames_without_an_object_are_left_out_of_f():
    both = count_frames(torch.stack([logits(["xx.."] * 4), logits(["xxxx"] * 4)]), torch.stack([OBJECT, NOTHING]))
    alone = count_frames(logits(["xx.."] * 4)[None], OBJECT[None])
    assert f_score(both) == f_score(alone) > 0
    assert f_score(count_frames(logits(["xxxx"] * 4)[None], NOTHING[None])) == 0.0


def test_every_group_has_a_threshold_of_its_own_and_a_group_of_empty_frames_scores_nothing():
    sure, faint = logits(["xx..", "xx..", "....", "...."]), logits(["xx..", "xx..", "....", "...."]) / 20
    clips = [count_frames(x[None], OBJECT[None]) for x in (sure, faint)]
    empty = count_frames(sure[None], NOTHING[None])
    assert f_score_in_groups([clips[0]], 1) == pytest.approx(1.0)
    assert f_score_in_groups([clips[0], empty], 1) == pytest.approx(0.5)
    assert f_score_in_groups([clips[0], empty], 2) == pytest.approx(1.0)
    # Five clips are a group of four and a group of one, which count alike.
    five = [clips[0]] * 4 + [empty]
    assert f_score_in_groups(five) == pytest.approx(0.5)


def test_joined_counts_keep_every_frame_in_order():
    one, two = (count_frames(logits(rows)[None], OBJECT[None]) for rows in (["xx.."] * 4, ["...."] * 4))
    joined = joined_counts([one, two])
    assert np.array_equal(joined.iou, np.concatenate([one.iou, two.iou]))
    assert joined.sounding.tolist() == [True, True]
