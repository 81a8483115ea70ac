"""Each fault that a data set can have is found, named and counted, by headers alone where they tell."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from registry.errors import UserError
from registry.vocabulary import SAMPLE_RATE
from tasks.datasets.ave import AveFolder
from tasks.datasets.prepare import prepare
from tasks.datasets.synthetic import SyntheticEventSource
from tasks.datasets.verify import Mode, Verification, verify
from tasks.media.encode import encode_clip
from tasks.media.store import shard_path


@pytest.fixture
def copy(ave: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ave, tmp_path / "copy"))


def problems(found: Verification) -> dict[str, str]:
    return {finding.clip: finding.problem.kind for finding in found.findings}


@pytest.mark.parametrize("mode", ["quick", "full"])
def test_a_whole_set_has_no_findings(ave: Path, mode: Mode) -> None:
    found = verify(AveFolder(ave), mode, 0)
    assert (found.findings, found.faults) == ((), 0)
    assert found.items == found.clips == found.usable == {"train": 2, "validation": 2, "test": 2}
    assert found.official == {"train": 3339, "validation": 402, "test": 402}


def test_every_kind_of_problem_is_found(copy: Path) -> None:
    videos, grey = copy / "videos", np.full((20, 32, 32, 3), 90, np.uint8)
    (videos / "c0.mp4").unlink()
    (videos / "c1.mp4").write_bytes(b"")
    (videos / "c2.mp4").write_bytes(b"no video at all")
    encode_clip(videos / "c3.mp4", grey[:12], 2, np.full(6 * SAMPLE_RATE, 0.1, np.float32))
    encode_clip(videos / "c4.mp4", grey, 2, None)
    encode_clip(videos / "c5.mp4", grey, 2, np.zeros(10 * SAMPLE_RATE, np.float32))
    told = {"c0": "missing", "c1": "missing", "c2": "unreadable", "c3": "short", "c4": "silent"}
    assert problems(verify(AveFolder(copy), "quick", 0)) == told
    found = verify(AveFolder(copy), "full", 0)
    assert problems(found) == {**told, "c5": "silent"}
    assert [f.problem.detail for f in found.findings][3:] == [
        "6.0 of 10 s",
        "no sound track",
        "its sound is all zeros",
    ]
    assert (found.faults, found.usable) == (3, {"train": 0, "validation": 1, "test": 2})
    assert found.as_csv().splitlines()[1] == 'c0,train,missing,"no file, or an empty one"'
    assert found.as_dict()["problems"] == {"missing": 2, "unreadable": 1, "short": 1, "silent": 2}


def test_decoding_finds_what_headers_hide(copy: Path) -> None:
    """Noise over the middle of a file, where the pictures are."""
    path = copy / "videos" / "c0.mp4"
    content = bytearray(path.read_bytes())
    middle = slice(len(content) // 4, len(content) // 2)
    content[middle] = np.random.default_rng(0).bytes(middle.stop - middle.start)
    path.write_bytes(content)
    assert problems(verify(AveFolder(copy), "quick", 0)) == {}
    assert problems(verify(AveFolder(copy), "full", 0)) == {"c0": "unreadable"}


def test_folders_of_pictures_are_looked_at(copy: Path, write_pictures: Callable, write_wav: Callable) -> None:
    shutil.rmtree(copy / "videos")
    frames, sounds = copy / "video_frames", copy / "raw_audio"
    for clip, pictures in (("c0", 10), ("c1", 4), ("c2", 10), ("c3", 10)):
        write_pictures(frames / clip, pictures)
    write_wav(sounds / "c0.wav", np.full((1, 10 * SAMPLE_RATE), 0.1, np.float32))
    write_wav(sounds / "c1.wav", np.full((1, 10 * SAMPLE_RATE), 0.1, np.float32))
    (sounds / "c2.wav").write_bytes(b"RIFF")
    (frames / "c4").mkdir()
    told = {"c1": "short", "c2": "unreadable", "c3": "silent", "c4": "unreadable", "c5": "missing"}
    assert problems(verify(AveFolder(copy), "quick", 0)) == told
    assert problems(verify(AveFolder(copy), "full", 0)) == told


def test_clips_of_two_splits_are_counted(copy: Path) -> None:
    (copy / "testSet.txt").write_text("cat&c1&good&0&3\ncat&c1&good&4&5\ncat&c3&good&0&1\n")
    found = verify(AveFolder(copy), "quick", 0)
    assert found.overlap == {"train and validation": 0, "train and test": 1, "validation and test": 1}
    assert (found.items["test"], found.clips["test"]) == (3, 2)


def test_a_damaged_shard_is_named(ave: Path, tmp_path: Path) -> None:
    prepare(AveFolder(ave), tmp_path / "store", 32, 0)
    with shard_path(tmp_path / "store", 0).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\xff")
    found = verify(AveFolder(tmp_path / "store"), "full", 0)
    assert problems(found) == {"c5": "unreadable"}
    assert "00000.bin is damaged at clip c5" in found.findings[0].problem.detail
    shard_path(tmp_path / "store", 0).unlink()
    assert verify(AveFolder(tmp_path / "store"), "quick", 0).faults == 6


def test_all_cores_find_the_same_and_tell_how_far_they_are(copy: Path) -> None:
    (copy / "videos" / "c3.mp4").unlink()
    told: list[tuple[int, int]] = []
    found = verify(AveFolder(copy), "full", 2, lambda *of: told.append(of))
    assert problems(found) == {"c3": "missing"}
    assert told == [(i, 6) for i in range(1, 7)]


def test_the_procedural_world_has_no_files() -> None:
    with pytest.raises(UserError, match="are no files"):
        verify(SyntheticEventSource(), "quick", 0)


def test_what_the_listing_holds_is_no_formula(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    from benchmark.__main__ import main

    monkeypatch.chdir(tmp_path)
    rows = [f"{i},=1+{i}.mp4,0,1,{split},x" for i, split in enumerate(("train", "validation", "test"))]
    (tmp_path / "manifest.csv").write_text("\n".join(["id,path,start,end,split,label", *rows]) + "\n")
    assert main(["data", "verify", "classification", "--data", str(tmp_path), "--jobs", "1", "--list", "l.csv"]) == 1
    assert [line[:3] for line in (tmp_path / "l.csv").read_text().splitlines()[1:]] == ["'=1"] * 3
