"""A kept model of segmentation is scored as it was, and draws its masks over the frames of a video."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from kept_cells import Kept, cell, train_and_keep
from PIL import Image
from shown_predictions import NO_MAP, exchange, prediction

import benchmark
from benchmark.cli.use.predict import _show
from benchmark.use.clips import find_clips, read_clip, true_masks
from benchmark.use.page import to_html
from tasks.media.masks import fitted
from tasks.sample.export import export_sample


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Kept]:
    root = tmp_path_factory.mktemp("masked")
    export_sample(root / "data", clips=2, size=32, fps=2, layout="manifest_masks")
    task = f"segmentation(data={str(root / 'data')!r})"
    return root / "data", train_and_keep(cell("tiny_swin", "stg_cma(ratio=0.25)", task), root / "out")


def test_scores_are_those_of_the_record(masked: tuple[Path, Kept]) -> None:
    data, kept = masked
    found = benchmark.load(kept.folder).evaluate(str(data))
    assert found.items == list(kept.items)
    assert found.scores == kept.record.scores


def test_masks_of_a_video_are_told_and_drawn(masked: tuple[Path, Kept]) -> None:
    data, kept = masked
    prediction = benchmark.load(kept.folder).predict(sorted((data / "videos").iterdir())[0])
    assert prediction.masks is not None
    assert prediction.masks.shape == (10, 224, 224)
    assert prediction.probabilities[:, 0] == pytest.approx(prediction.masks.mean((1, 2)), abs=1e-6)
    assert prediction.shown_frames.shape == (10, 224, 224, 3)
    assert prediction.to_dict()["rows"][0]["label"] == "marked"


def test_the_masks_of_a_manifest_stand_below_those_of_the_model(masked: tuple[Path, Kept], tmp_path: Path) -> None:
    data, kept = masked
    model, (clip, *_) = benchmark.load(kept.folder), find_clips([data])
    (prediction, *_) = model.predict_each([data])
    with Image.open(data / "masks" / clip.id / "3.png") as picture:
        drawn = fitted(picture, 224) > 0
    assert prediction.true_masks is not None
    assert prediction.true_frames is not None
    assert np.array_equal(prediction.true_masks[2], drawn)
    assert ">truth<" in to_html(prediction, NO_MAP)
    lone = shutil.copytree(data, tmp_path / "lone")
    (lone / "masks" / clip.id / "3.png").unlink()
    (other, *_) = model.predict_each([lone])
    assert [mask is None for mask in other.true_masks or ()] == [segment == 2 for segment in range(10)]
    assert other.true_frames is not None
    assert other.true_frames[2].min() >= 190
    assert model.predict(data / "videos" / f"{clip.id}.mp4").true_frames is None


def test_masks_of_a_longer_row_count_where_its_last_segment_tells_their_length(masked: tuple[Path, Kept]) -> None:
    data, kept = masked
    clip, facts = find_clips([data])[0], benchmark.load(kept.folder).config.model
    six = replace(facts, segments=6, seconds=6.0)
    whole = true_masks(clip, read_clip(clip, facts), facts)
    begun = true_masks(clip, read_clip(clip, six), six)
    assert whole is not None
    assert begun is not None
    assert len(begun) == 6
    assert all(map(np.array_equal, begun, whole))
    assert clip.masks is not None
    short = replace(clip, masks=replace(clip.masks, files=clip.masks.files[:7]))
    assert true_masks(short, read_clip(short, six), six) is None


def test_a_share_of_the_frame_is_no_probability_and_alone_wins_nothing(tmp_path: Path, capsys) -> None:
    frames = prediction().frames
    masks = np.zeros((4, 8, 8), bool)
    masks[1, 2:6, 2:6] = True
    shown = prediction(labels=("marked",), probabilities=masks.mean((1, 2), keepdims=True)[:, 0], masks=masks)
    page = to_html(shown, NO_MAP)
    assert "<th>share of the frame</th>" in page
    assert "<th>probability</th>" not in page
    assert "cell best" not in page
    assert shown.shown_frames.shape[1] > frames.shape[1]
    _show(shown)
    assert "share of the frame" in capsys.readouterr().out


def test_heat_lies_over_frames_without_masks() -> None:
    masks = np.ones((4, 8, 8), bool)
    shown = prediction(labels=("marked",), probabilities=np.ones((4, 1), np.float32), masks=masks)
    page = to_html(shown, exchange())
    pictures = dict(re.findall(r"^\.([fp]0)\{background-image:url\((.+?)\)\}$", page, flags=re.MULTILINE))
    assert pictures["f0"] != pictures["p0"]
    assert page.count("class='frame f0'") == 1
    assert page.count("class='frame p0 grey'") == 2
    assert ".p0{" not in to_html(prediction(), exchange())
