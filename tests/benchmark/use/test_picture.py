from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from shown_predictions import NO_MAP, as_a_whole, exchange, hostile, prediction

from benchmark.use.picture import write_picture

RETRIEVAL = prediction(
    task="retrieval", labels=("match",), probabilities=np.array([[-0.25]], np.float32), times=((0.0, 16.0),)
)


@pytest.mark.parametrize(
    "made", [prediction(), as_a_whole(question="What barks ?"), RETRIEVAL], ids=["segments", "whole", "similarity"]
)
def test_a_picture_is_drawn(made, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        write_picture(made, exchange(), tmp_path / "prediction.png")
    drawn = imread(tmp_path / "prediction.png")
    assert drawn.shape[1] == 1210
    assert drawn.std() > 0.05


def test_the_map_takes_two_strips_more(tmp_path: Path) -> None:
    for name, found in (("with", exchange()), ("without", NO_MAP)):
        write_picture(prediction(), found, tmp_path / f"{name}.png")
    high = {name: imread(tmp_path / f"{name}.png").shape[0] for name in ("with", "without")}
    assert high["with"] - high["without"] > 300


def test_dollars_and_backslashes_are_no_formula(tmp_path: Path) -> None:
    write_picture(hostile(), exchange(), tmp_path / "prediction.png")


def test_silence_and_a_single_sample_are_drawn(tmp_path: Path) -> None:
    for samples in (np.zeros(10, np.float32), np.zeros(1, np.float32)):
        write_picture(prediction(waveform=samples), exchange(), tmp_path / "prediction.png")
    write_picture(prediction(log_mels=None), NO_MAP, tmp_path / "prediction.png")
