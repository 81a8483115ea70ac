"""Labelled spans of the user's own videos become segment labels by the stated rule."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from registry.errors import UserError
from tasks.datasets.ave import Annotation
from tasks.datasets.manifest import parse_manifest
from tasks.datasets.manifest_events import SEVERAL, ManifestEvents
from tasks.event_localisation.task import EventLocalisation
from tasks.media.encode import encode_clip

HEADER = "id,path,start,end,split,label"
YARD = ["yard,yard.mp4,20,30,train,", "yard,yard.mp4,22,25,train,dog", "yard,yard.mp4,28,30,train,car"]
STREET = ["street,street.mp4,0,4,train,car", "quiet,street.mp4,5,9,validation,", "late,street.mp4,9,,test,dog"]


def written(folder: Path, *lines: str) -> Path:
    (folder / "events.csv").write_text("\n".join([HEADER, *lines]) + "\n")
    return folder / "events.csv"


def labels(source: ManifestEvents) -> dict[str, list[int]]:
    return {clip.span.id: source.labels(clip).tolist() for clip in source._clips}


def test_segments_by_hand(tmp_path: Path) -> None:
    """Classes are sorted: car 0, dog 1, background 2."""
    source = ManifestEvents(written(tmp_path, *YARD, *STREET), segments=10)
    assert source.classes == ("car", "dog")
    assert labels(source) == {
        "yard": [2, 2, 1, 1, 1, 2, 2, 2, 0, 0],
        "street": [0, 0, 0, 0, 2, 2, 2, 2, 2, 2],
        "quiet": [2] * 10,
        "late": [2] * 9 + [1],
    }
    assert [clip.category(source.classes) for clip in source._clips] == [SEVERAL, 0, 2, 1]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 9), st.integers(1, 10))
def test_the_rule_is_aves_at_whole_seconds(start: int, length: int) -> None:
    end = min(start + length, 10)
    folder = Path(__file__).parent
    ave = Annotation("dog", "x", start, end).labels(0, background=1)
    rows = f"{HEADER}\nx,x.mp4,{start},{end},train,dog\n"
    source = ManifestEvents.__new__(ManifestEvents)
    source.manifest = parse_manifest(rows, folder / "m.csv")
    source.classes, source.segments = ("dog",), 10
    assert source.labels(source._assemble(list(source.manifest.rows))).tolist() == ave.tolist()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            [YARD[0], "yard,yard.mp4,22,25,train,dog", "yard,yard.mp4,24,26,train,car"],
            "line 4 and line 3 label one segment",
        ),
        ([YARD[0], "yard,yard.mp4,22.1,22.4,train,dog"], "line 3 reaches no segment of its clip"),
        ([YARD[0], "yard,yard.mp4,2,12,train,dog"], "line 3 reaches no segment of its clip"),
        ([YARD[1], "yard,other.mp4,22,25,train,dog"], "line 3 has id 'yard' of line 2, but another path or split"),
        ([YARD[1], "yard,yard.mp4,22,25,test,dog"], "line 3 has id 'yard' of line 2, but another path or split"),
        ([YARD[0], YARD[0], YARD[1]], "line 3 says the seconds of clip 'yard' again"),
        (["yard,yard.mp4,20,,train,", YARD[1]], "line 2 has no end"),
        ([YARD[0]], "has no labels for training"),
    ],
)
def test_rows_that_do_not_fit_are_named(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        ManifestEvents(written(tmp_path, *lines), segments=10)
    assert "\n" not in str(caught.value)


def test_weak_supervision_wants_one_kind_of_event_in_a_clip(tmp_path: Path) -> None:
    path = written(tmp_path, *YARD, *STREET)
    with pytest.raises(UserError, match=r"line 4: clip 'yard' has several labels, supervision='weak' needs one"):
        EventLocalisation(data=str(path), supervision="weak")
    task = EventLocalisation(data=str(written(tmp_path, *STREET[:2])), supervision="weak")
    assert task.classes == ("car", "background")


def test_items_collate_from_video_files(tmp_path: Path) -> None:
    for name, seconds in (("yard", 31), ("street", 10)):
        encode_clip(tmp_path / f"{name}.mp4", np.full((2 * seconds, 32, 32, 3), 90, np.uint8), 2, None)
    task = EventLocalisation(data=str(written(tmp_path, *YARD, *STREET)), segments=5)
    batch = next(iter(DataLoader(task.dataset("train"), batch_size=2)))
    assert batch["inputs"]["frames"].shape == (2, 5, 3, 224, 224)
    assert batch["inputs"]["waveform"].shape == (2, 5, 16_000)
    assert batch["targets"]["labels"].tolist() == [[2, 1, 2, 2, 0], [0, 0, 2, 2, 2]]
    assert batch["targets"]["labels"].dtype == torch.int64
    assert batch["targets"]["id"] == ["yard", "street"]
    assert task.data_identity().startswith("manifest@")
    assert task.segments == 5


def test_missing_videos_stop_before_training(tmp_path: Path) -> None:
    task = EventLocalisation(data=str(written(tmp_path, *YARD, *STREET)))
    with pytest.raises(UserError, match=r"2 of 2 files of manifest .* are missing or empty: yard\.mp4, street\.mp4"):
        task.prepare()


def test_options_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    path = str(written(tmp_path, *STREET[:2]))
    with pytest.raises(UserError, match=r"option split='dedup' means nothing for data="):
        EventLocalisation(data=path, split="dedup")
    with pytest.raises(UserError, match="option segments=5 means nothing for data='synthetic'"):
        EventLocalisation(segments=5)
    with pytest.raises(UserError, match="segments=0 must be at least 1"):
        EventLocalisation(data=path, segments=0)
