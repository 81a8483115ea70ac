"""The published head on the stages of a frozen backbone, and what it does for backbones of one stage."""

from __future__ import annotations

import pytest
import torch

from registry.errors import UserError
from registry.vocabulary import Features, Stage
from tasks.segmentation.avsbench import AvsBenchHead, FeaturePyramid

FOUR = tuple(Stage(8 << i, 16 >> i, 4 << i) for i in range(4))
SMALL = {"widths": (4, 5, 6, 7), "channels": 8, "audio": 6, "out_widths": (6, 4)}


def features(stages, segments: int = 2):
    maps = tuple(torch.randn(1, segments, s.side**2, s.width) for s in stages)
    return {m: Features(maps[-1], maps[-1].mean(2), maps) for m in ("visual", "audio")}


def inputs():
    return {m: torch.zeros(1, 2, 3, 64, 64) for m in ("visual", "audio")}


@pytest.mark.parametrize("side", [64, 96])
def test_logits_fit_masks_of_any_size(side):
    torch.manual_seed(0)
    head = AvsBenchHead(64, FOUR, side, **SMALL)
    given = features(FOUR)
    assert head(lambda _: given, inputs())["logits"].shape == (1, 2, side, side)


def test_a_backbone_of_one_stage_gets_a_pyramid_with_the_grids_of_the_decoder():
    pyramid = FeaturePyramid(768)
    assert sum(p.numel() for p in pyramid.parameters()) == 3_357_376
    assert [x.shape[1:] for x in FeaturePyramid(8, (4, 5, 6, 7))([torch.randn(1, 8, 14, 14)])] == [
        (4, 56, 56), (5, 28, 28), (6, 14, 14), (7, 7, 7),
    ]  # fmt: skip


def test_matching_is_a_term_of_training_alone():
    torch.manual_seed(0)
    head = AvsBenchHead(64, FOUR, 64, matching=0.5, **SMALL)
    given = features(FOUR)
    targets = {"masks": torch.ones(1, 2, 64, 64), "annotated": torch.ones(1, 2, dtype=torch.bool)}
    outputs = head(lambda _: given, inputs())
    assert set(head.loss(outputs, targets)) == {"cross_entropy", "matching"}
    assert set(head.eval()(lambda _: given, inputs())) == {"logits"}


def test_stg_cma_begins_linear_maps_without_bias():
    head = AvsBenchHead(64, FOUR, 64, stg_cma_start=True, **SMALL)
    assert not head.project[0].bias.any()
    assert not head.decoder.tpavi["0"].align.bias.any()
    assert not head.decoder.tpavi["0"].bn.weight.any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tpavi": (0, 4)}, "stages from 0 to 3"),
        ({"tpavi": (1, 1)}, "different stages"),
        ({"tpavi": (), "matching": 0.5}, "give it stages"),
        ({"matching": -1.0}, "0 or more"),
        ({"modalities": ("visual",)}, "modality='visual' has none"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, words):
    with pytest.raises(UserError, match=words):
        AvsBenchHead(64, FOUR, 64, **options)
