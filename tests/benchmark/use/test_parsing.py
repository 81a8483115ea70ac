"""A kept model of video parsing is scored as it was, and tells what is heard and seen from when to when."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from kept_cells import Kept, cell, train_and_keep
from shown_predictions import NO_MAP, prediction

import benchmark
from benchmark.__main__ import main
from benchmark.use.page import to_html
from benchmark.use.picture import write_picture
from benchmark.use.shown import marked, shown_classes
from tasks.sample.export import export_sample


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Kept]:
    root = tmp_path_factory.mktemp("parsed")
    export_sample(root / "data", clips=2, size=32, fps=2, layout="llp")
    task = f"parsing(data={str(root / 'data')!r})"
    return root / "data", train_and_keep(cell("tiny_vit", "stg_cma(ratio=0.25)", task), root / "out")


def active(*on: tuple[int, int]) -> np.ndarray:
    cells = np.zeros((4, 3), bool)
    for segment, label in on:
        cells[segment, label] = True
    return cells


def test_scores_are_those_of_the_record(parsed: tuple[Path, Kept]) -> None:
    data, kept = parsed
    found = benchmark.load(kept.folder).evaluate(str(data))
    assert found.items == list(kept.items)
    assert found.scores == kept.record.scores
    assert kept.record.primary_metric == "type_at_av"


def test_events_of_a_video_are_told_by_modality(parsed: tuple[Path, Kept], capsys: pytest.CaptureFixture) -> None:
    data, kept = parsed
    video = sorted((data / "videos").iterdir())[0]
    said = benchmark.load(kept.folder).predict(video)
    assert said.active is not None
    assert said.active.shape == said.probabilities.shape == (10, len(said.labels))
    assert {label.partition(": ")[0] for label in said.labels} == {"heard", "seen"}
    assert (said.active <= (said.probabilities >= 0.5)).all()
    assert main(["predict", str(kept.folder), str(video), "--json"]) == 0
    assert [event["label"] for event in json.loads(capsys.readouterr().out)["events"]] == [e.label for e in said.events]


def test_an_event_lasts_as_long_as_its_label_is_on_without_a_break() -> None:
    shown = prediction(active=active((0, 0), (1, 0), (3, 0), (1, 2)))
    assert [(e.begin, e.end, e.label) for e in shown.events] == [(0, 8, "dog"), (4, 8, "silence"), (12, 16, "dog")]
    assert [e.probability for e in shown.events] == pytest.approx([0.4, 0.1, 0.9])
    assert prediction().events == ()


def test_lanes_mark_what_is_on(tmp_path: Path) -> None:
    shown = prediction(active=active((1, 0), (1, 2)))
    assert shown_classes(shown) == [0, 2, 1]
    assert (marked(shown) == shown.active).all()
    page = to_html(shown, NO_MAP)
    assert page.count("cell best") == 2
    assert "<h2>Events</h2>" in page
    assert "No event is heard or seen" in to_html(prediction(active=active()), NO_MAP)
    write_picture(shown, NO_MAP, tmp_path / "a.png")
    write_picture(prediction(), NO_MAP, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()
