"""A prediction names the likeliest label of each row and can be written as JSON."""

from __future__ import annotations

import json

import numpy as np

from benchmark.use.prediction import Prediction


def prediction() -> Prediction:
    return Prediction(
        task="event_localisation",
        source="clips/bell.mp4",
        labels=("bell", "background"),
        probabilities=np.array([[0.75, 0.25], [0.5, 0.5], [0.125, 0.875]], np.float32),
        times=((0.0, 1.0), (1.0, 2.0), (2.0, 2.5)),
        question=None,
        notes=("no sound track",),
        frames=np.zeros((3, 2, 2, 3), np.uint8),
        frame_times=(0.5, 1.5, 2.25),
        waveform=np.zeros(40_000, np.float32),
        sample_rate=16_000,
        log_mels=None,
        model="tiny_vit × linear_probe (0123456789ab)",
        warnings=("synthetic data",),
    )


def test_best_is_the_likeliest_label_of_each_row() -> None:
    assert prediction().best == ("bell", "bell", "background")


def test_json_holds_every_row_and_leaves_frames_and_sound_out() -> None:
    written = json.loads(json.dumps(prediction().to_dict()))
    assert written["rows"][2] == {
        "begin": 2.0,
        "end": 2.5,
        "label": "background",
        "probability": 0.875,
        "probabilities": {"bell": 0.125, "background": 0.875},
    }
    assert written["notes"] == ["no sound track"]
    assert written["warnings"] == ["synthetic data"]
    assert not written.keys() & {"frames", "waveform", "log_mels"}
