"""AVE's annotation files: small ones written here, and the published ones where a copy is at hand."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from benchmark.__main__ import main
from registry.errors import UserError
from tasks.datasets.ave import Annotation, AveFolder, AvePairs, parse_annotations
from tasks.datasets.source import SEGMENTS
from tasks.event_localisation.task import EventLocalisation
from tasks.media.encode import encode_clip

COPIES = Path(os.environ.get("AVBENCH_ANNOTATIONS") or Path(__file__).parents[4] / "shared" / "annotations")
published = pytest.mark.skipif(
    not (COPIES / "ave" / "Annotations.txt").is_file(),
    reason="AVE's annotation files are not here: AVBENCH_ANNOTATIONS",
)

TRAIN = ["Church bell&bell&good&2&6", "Male speech, man speaking&-talk&good&0&10", "Frying (food)&fry&good&0&0"]
VALIDATION = ["Church bell&bell&good&1&3", "Frying (food)&-pan&good&9&10"]
TEST = ["Church bell&toll&good&0&1", "Church bell&bell&good&2&6", "Church bell&toll&good&4&9"]


def write_annotations(root: Path, end: str = "\n", header: bool = False) -> Path:
    root.mkdir(exist_ok=True)
    for name, lines in {"trainSet": TRAIN, "valSet": VALIDATION, "testSet": TEST}.items():
        (root / f"{name}.txt").write_bytes(end.join([*lines, ""]).encode())
    first = ["Category&VideoID&Quality&StartTime&EndTime"] if header else []
    (root / "Annotations.txt").write_bytes(end.join([*first, *TRAIN, *VALIDATION, *TEST]).encode())
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_annotations(tmp_path_factory.mktemp("ave"))
    (root / "videos").mkdir()
    for clip in ("bell", "-talk", "fry", "-pan", "toll"):
        encode_clip(root / "videos" / f"{clip}.mp4", np.full((20, 32, 32, 3), 90, np.uint8), 2, None)
    return root


def test_classes_are_in_order_of_first_appearance(root: Path) -> None:
    assert AveFolder(root).classes == ("Church bell", "Male speech, man speaking", "Frying (food)")


def test_a_second_has_the_class_from_start_until_before_end() -> None:
    labels = Annotation("Church bell", "bell", 2, 6).labels(category=0, background=28)
    assert labels.tolist() == [28, 28, 0, 0, 0, 0, 28, 28, 28, 28]


def test_items_collate(root: Path) -> None:
    clips = AveFolder(root, side=48).clips("train")
    batch = next(iter(DataLoader(clips, batch_size=3)))
    assert batch["inputs"]["frames"].shape == (3, SEGMENTS, 3, 48, 48)
    assert batch["inputs"]["frames"].dtype == torch.uint8
    assert batch["inputs"]["waveform"].shape == (3, SEGMENTS, 16_000)
    assert batch["targets"]["labels"].tolist() == [[3, 3, 0, 0, 0, 0, 3, 3, 3, 3], [1] * 10, [3] * 10]
    assert batch["targets"]["category"].tolist() == [0, 1, 2]
    assert batch["targets"]["id"] == ["bell", "-talk", "fry"]


def test_a_clip_that_is_listed_twice_gets_two_ids(root: Path) -> None:
    assert AveFolder(root).clips("test").ids == ["toll", "bell", "toll+2"]


def test_pairs_hold_each_clip_once_and_none_of_an_earlier_split(root: Path) -> None:
    folder = AvePairs(root)
    assert {split: folder.clips(split).ids for split in ("train", "validation", "test")} == {
        "train": ["bell", "-talk", "fry"],
        "validation": ["-pan"],
        "test": ["toll"],
    }


def test_dedup_takes_from_training_what_later_splits_have_and_leaves_test_alone(root: Path) -> None:
    """`bell` is in all three splits of this folder."""
    official, dedup = AveFolder(root), AveFolder(root, split="dedup")
    clips = {split: [row.clip for row in dedup.annotations(split)] for split in ("train", "validation", "test")}
    assert clips == {"train": ["-talk", "fry"], "validation": ["-pan"], "test": ["toll", "bell", "toll"]}
    assert dedup.annotations("test") == official.annotations("test")
    assert dedup.classes == official.classes
    assert dedup.identity().startswith("ave-dedup@")
    with pytest.raises(UserError, match=r"unknown split of AVE 'dedupe'. Did you mean dedup"):
        AveFolder(root, split="dedupe")


def test_header_and_line_ends_make_no_difference(root: Path, tmp_path: Path) -> None:
    plain, dressed = AveFolder(root), AveFolder(write_annotations(tmp_path, end="\r\n", header=True))
    assert dressed.classes == plain.classes
    assert dressed.annotations("test") == plain.annotations("test")
    assert dressed.identity() == plain.identity()


def test_other_annotations_are_other_data(root: Path, tmp_path: Path) -> None:
    write_annotations(tmp_path)
    (tmp_path / "testSet.txt").write_text(TEST[0].replace("0&1", "0&2"))
    assert AveFolder(tmp_path).identity() != AveFolder(root).identity()
    assert AveFolder(root).identity().startswith("ave@")


def test_the_folder_of_a_sample_is_found(tmp_path: Path) -> None:
    write_annotations(tmp_path / "ave")
    assert AveFolder(str(tmp_path)).root == tmp_path / "ave"


@pytest.mark.parametrize(
    "line",
    ["Church bell&a&good&0", "Church bell&a&good&x&5", "Church bell&a&good&6&5", "Church bell&a&good&0&11", "text"],
)
def test_a_malformed_line_is_named(line: str) -> None:
    with pytest.raises(UserError, match=r"list line 2 is .*, expected category&clip&quality"):
        parse_annotations(f"{TRAIN[0]}\n{line}\n", "list")


def test_an_empty_file_is_named() -> None:
    with pytest.raises(UserError, match="list has no clips"):
        parse_annotations("\n", "list")


@pytest.mark.parametrize("name", ["Annotations.txt", "trainSet.txt", "valSet.txt", "testSet.txt"])
def test_a_missing_annotation_file_is_named(tmp_path: Path, name: str) -> None:
    (write_annotations(tmp_path) / name).unlink()
    with pytest.raises(UserError, match=f"{name} is missing"):
        AveFolder(tmp_path)


def test_a_category_without_a_number_is_named(tmp_path: Path) -> None:
    (write_annotations(tmp_path) / "valSet.txt").write_text("Gong&a&good&0&5\n")
    with pytest.raises(UserError, match=r"valSet\.txt .* 'Gong'"):
        AveFolder(tmp_path)


def test_missing_media_stop_before_training(tmp_path: Path) -> None:
    folder = AveFolder(write_annotations(tmp_path))
    with pytest.raises(UserError, match=r"3 of 3 clips are missing .*: bell, -talk, fry"):
        folder.clips("train")
    with pytest.raises(UserError, match="5 of 5 clips are missing"):
        folder.prepare()


def test_a_damaged_clip_is_named_in_one_line(root: Path, tmp_path: Path) -> None:
    write_annotations(tmp_path)
    for clip in ("bell", "-talk", "fry"):
        (tmp_path / f"{clip}.mp4").write_bytes((root / "videos" / "fry.mp4").read_bytes()[:-100])
    with pytest.raises(UserError, match=r"cannot decode .*fry\.mp4: ") as caught:
        AveFolder(tmp_path).clips("train")[2]
    assert "\n" not in str(caught.value)


@published
def test_published_annotations() -> None:
    """Counts taken from the files themselves; 715 of the 4,020 seconds of test are background."""
    folder = AveFolder(COPIES)
    assert len(parse_annotations((folder.root / "Annotations.txt").read_text(), "all")) == 4143
    assert [len(folder.annotations(split)) for split in ("train", "validation", "test")] == [3339, 402, 402]
    assert folder.classes == tuple((folder.root / "categories.txt").read_text().splitlines())
    assert (folder.classes[0], folder.classes[27], len(folder.classes)) == ("Church bell", "Mandolin", 28)
    labels = [row.labels(folder.classes.index(row.category), 28) for row in folder.annotations("test")]
    assert int((torch.stack(labels) == 28).sum()) == 715


@published
def test_published_clips_of_test_that_are_in_train_are_no_pairs() -> None:
    """Eight ids occur in both train and test."""
    folder = AveFolder(COPIES)
    train, validation, test = (
        {row.clip for row in folder.annotations(split)} for split in ("train", "validation", "test")
    )
    assert (len(train & test), len(train & validation), len(validation & test)) == (8, 10, 0)
    dedup = AveFolder(COPIES, split="dedup")
    assert [len(dedup.annotations(split)) for split in ("train", "validation", "test")] == [3320, 402, 402]


@published
def test_verify_prints_what_the_published_splits_share(tmp_path: Path, monkeypatch, capsys) -> None:
    """Without any video: all clips are missing, and what the lists say is counted all the same."""
    for path in (COPIES / "ave").glob("*.txt"):
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["data", "verify", "event_localisation", "--data", str(tmp_path), "--quick", "--jobs", "1"]) == 1
    out = capsys.readouterr().out
    assert "10 in train and validation, 8 in train and test" in out
    assert "train: 3339 items as published" in out
    assert "missing: 4097" in out


def test_published_sampling_is_an_option_for_ave_alone(root: Path) -> None:
    task = EventLocalisation(str(root), sampling="published")
    assert task.data_identity() == EventLocalisation(str(root)).data_identity() + "+published"
    assert task.dataset("test")[0]["inputs"]["waveform"].shape == (10, 16_000)
    with pytest.raises(UserError, match="option sampling='published' means nothing for data='ave'"):
        EventLocalisation("ave", sampling="published")
