"""Mistakes in the decoder, its losses or its scores are found by the golden files of segmentation."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from benchmark.verify.avs import heads, scores
from benchmark.verify.check import verify_file
from tasks.segmentation import decoder, losses, metrics

GOLDEN = Path(__file__).parents[3] / "golden" / "avs"


def missed(name: str) -> list[str]:
    return [line.tensor for line in verify_file(GOLDEN / f"{name}.npz").compared if not line.passed]


def skip_of_the_input(self, x):
    return self.conv2(self.conv1(x.relu()).relu()) + x


def corner_aligned_nowhere(self, x, coarser, size):
    if self.skip is not None and coarser is not None:
        x = coarser + self.skip(x)
    return F.interpolate(self.merge(x), size=tuple(size), mode="bilinear", align_corners=False)


def softmax_over_pixels(self, x, keys, segments):
    values = self.g(x)
    keys = keys.expand_as(values)
    theta, keys, values = (
        part.unflatten(0, (-1, segments)).movedim(2, -1).flatten(1, 3) for part in (self.theta(x), keys, values)
    )
    read = (theta @ keys.transpose(1, 2)).softmax(-1) @ values
    read = read.view(-1, segments, *x.shape[-2:], read.shape[-1]).movedim(-1, 2).flatten(0, 1)
    return self.norm((x + self.bn(self.out(read))).movedim(1, -1)).movedim(-1, 1)


def matching_of_probabilities(logits, maps, heard):
    return losses.audio_matching(logits.sigmoid(), maps, heard)


def loss_of_all_frames(logits, masks, annotated):
    return losses.pixel_loss(logits, masks, torch.ones_like(annotated))


@pytest.mark.parametrize(
    ("name", "owner", "attribute", "mistake"),
    [
        ("head_lavish", decoder.ResidualUnit, "forward", skip_of_the_input),
        ("head_lavish", decoder.Fusion, "forward", corner_aligned_nowhere),
        ("head_stg_cma", decoder.Tpavi, "read", softmax_over_pixels),
        ("tpavi", decoder.Tpavi, "read", softmax_over_pixels),
        ("ms3_objective", heads, "audio_matching", matching_of_probabilities),
        ("ms3_objective", heads, "audio_matching", lambda *given: losses.audio_matching(*given) / 10),
        ("losses", scores, "pixel_loss", loss_of_all_frames),
        ("metrics", scores, "frame_iou", lambda logits, masks: metrics.frame_iou(logits + 1e-6, masks)),
        ("metrics", scores, "f_score", lambda frames: float(metrics.f_curves(frames).mean(0).max())),
    ],
)  # fmt: skip
def test_a_mistake_is_found(monkeypatch, name, owner, attribute, mistake):
    monkeypatch.setattr(owner, attribute, mistake)
    assert missed(name)


def test_maps_that_are_not_rectified_are_found(monkeypatch):
    right = decoder.Decoder.forward

    def unrectified(self, maps, sound, segments):
        logits, _, heard = right(self, maps, sound, segments)
        found = [dilated(x) for dilated, x in zip(self.dilated, maps, strict=True)]
        return (
            logits,
            [tpavi(x, sound, segments)[0] for x, tpavi in zip(found, self.tpavi.values(), strict=True)],
            heard,
        )

    monkeypatch.setattr(decoder.Decoder, "forward", unrectified)
    assert {"train/avm", "train/map.0"} <= set(missed("ms3_objective"))
