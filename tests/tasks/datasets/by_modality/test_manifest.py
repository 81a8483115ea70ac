"""A manifest whose events are heard, seen or both."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.errors import DataError
from tasks.datasets.by_modality.manifest import ManifestByModality

HEADER = "id,path,start,end,split,label,modality\n"
TRAIN = "yard,yard.mp4,20,30,train,,\nyard,yard.mp4,,,train,dog,\nyard,yard.mp4,,,train,car,\n"
REST = (
    "lane,lane.mp4,0,4,validation,car,visual\n"
    "street,street.mp4,0,4,test,car,both\nstreet,street.mp4,2,,test,dog,audio\n"
)


def read(folder: Path, text: str, **options: object) -> ManifestByModality:
    (folder / "manifest.csv").write_text(HEADER + text)
    return ManifestByModality(folder, **options)  # type: ignore[arg-type]


def clip(source: ManifestByModality, name: str):
    return next(clip for clip in source._clips if clip.span.id == name)


def test_labels_of_training_need_no_seconds(tmp_path):
    source = read(tmp_path, TRAIN + REST)
    assert source.classes == ("car", "dog")
    yard = clip(source, "yard")
    assert (yard.span.start, yard.end) == (20, 30)
    assert source.clip_labels(yard).tolist() == [1, 1]


def test_events_of_both_modalities_may_overlap(tmp_path):
    source = read(tmp_path, TRAIN + REST)
    street = clip(source, "street")
    assert source.events(street, "audio").tolist() == [[1] * 4 + [0] * 6, [0] * 2 + [1] * 8]
    assert source.events(street, "visual").tolist() == [[1] * 4 + [0] * 6, [0] * 10]
    assert source.clip_labels(street).tolist() == [1, 1]


def test_segments_have_what_is_on_at_their_middle(tmp_path):
    source = read(tmp_path, TRAIN + REST, segments=5)
    assert source.events(clip(source, "street"), "visual").tolist() == [[1, 1, 0, 0, 0], [0] * 5]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("a,a.mp4,0,4,test,dog,\n", r"line 8: unknown modality ''"),
        ("a,a.mp4,0,4,test,dog,vidual\n", "visual"),
        ("a,a.mp4,0.6,0.9,test,dog,audio\n", "line 8 reaches no segment"),
        ("a,a.mp4,0,4,test,,\n", "clip 'a' has no event"),
        ("a,a.mp4,0,4,test,cow,audio\n", "line 8: unknown label 'cow'"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, rows, words):
    with pytest.raises(DataError, match=words):
        read(tmp_path, TRAIN + REST + rows)


def test_the_identity_follows_modalities_beyond_training(tmp_path):
    first = read(tmp_path, TRAIN + REST).identity()
    other = read(tmp_path, TRAIN + REST.replace("both", "audio")).identity()
    trained = read(tmp_path, TRAIN.replace("dog,\n", "dog,audio\n") + REST).identity()
    assert (trained, other == first) == (first, False)
