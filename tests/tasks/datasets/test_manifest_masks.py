"""Masks of the user's own clips, segment by segment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from registry.errors import DataError
from tasks.datasets.manifest import read_manifest
from tasks.datasets.manifest_masks import ManifestMasks
from tasks.datasets.verify import verify
from tasks.media.encode import encode_clip

ROWS = ("a,a.mp4,,,train,dog,masks/a", "b,a.mp4,0,2,validation,dog,masks/b", "c,a.mp4,,,test,dog,masks/a")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    encode_clip(tmp_path / "a.mp4", np.zeros((8, 48, 64, 3), np.uint8), 2, np.zeros(64_000, np.float32))
    for clip, numbers in {"a": (1, 2, 4), "b": (3,)}.items():
        (tmp_path / "masks" / clip).mkdir(parents=True)
        for number in numbers:
            Image.new("L", (224, 224), 255 * (number % 2)).save(tmp_path / "masks" / clip / f"frame_{number:04d}.png")
    write(tmp_path, *ROWS)
    return tmp_path


def write(root: Path, *rows: str, header: str = "id,path,start,end,split,label,masks") -> None:
    (root / "manifest.csv").write_text("\n".join([header, *rows]) + "\n")


def test_the_number_of_a_picture_is_that_of_its_segment(root: Path) -> None:
    item = ManifestMasks(root, segments=4).clips("train")[0]
    assert item["inputs"]["frames"].shape == (4, 3, 224, 224)
    assert item["targets"]["annotated"].tolist() == [True, True, False, True]
    assert item["targets"]["masks"].float().mean((1, 2)).tolist() == [1, 0, 0, 0]
    assert (item["targets"]["id"], item["targets"]["category"]) == ("a", 0)


def test_segments_without_a_mask_and_masks_of_another_kind_are_listed(root: Path) -> None:
    Image.new("P", (300, 200)).save(root / "masks" / "a" / "frame_0004.png")
    found = verify(ManifestMasks(root, segments=4), "full", workers=0)
    details = [
        f.problem.detail for f in found.findings if f.problem.kind == "mask" and f.clip.startswith("a.mp4 0.0-end")
    ]
    assert details[0] == "no mask of segment 3: neither trained on nor scored"
    assert "frame_0004.png is 300 x 200, fitted to 224 x 224" in details
    assert "frame_0004.png has mode P; every colour but black is the object" in details
    assert found.faults == 0


def test_a_clip_without_any_mask_stops_training_and_can_be_left_out(root: Path) -> None:
    write(root, *ROWS, "d,a.mp4,,,test,dog,masks/nothing")
    with pytest.raises(DataError, match=r"1 of 4 clips of manifest .* have no mask: d"):
        ManifestMasks(root, segments=4).prepare()
    less = ManifestMasks(root, segments=4, allow_missing=True)
    assert (len(less.clips("test")), less.left_out) == (1, {"test": 1})


def test_a_row_that_names_no_masks_is_refused(root: Path) -> None:
    write(root, *(row.rpartition(",")[0] for row in ROWS), header="id,path,start,end,split,label")
    with pytest.raises(DataError, match="line 2 names no masks; this task needs a folder of mask pictures in column"):
        ManifestMasks(root, segments=4)


def test_a_folder_of_masks_cannot_lie_elsewhere(root: Path) -> None:
    write(root, "a,a.mp4,,,train,dog,../masks")
    with pytest.raises(DataError, match="within the manifest's folder"):
        read_manifest(root)


def test_the_column_of_masks_changes_no_other_identity(root: Path) -> None:
    with_masks = read_manifest(root).identity("clips", 10)
    write(root, *(row.rpartition(",")[0] for row in ROWS), header="id,path,start,end,split,label")
    assert read_manifest(root).identity("clips", 10) == with_masks
