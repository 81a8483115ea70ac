"""Whatever is damaged, there is a clip, one line that says what is wrong, or a counted finding; never anything else.

With many times the examples:

    AVBENCH_FUZZ=20 python -m pytest tests/tasks/media/test_fuzz.py
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.errors import UserError
from registry.vocabulary import SAMPLE_RATE
from tasks.datasets.ave import AveFolder
from tasks.datasets.manifest_clips import ManifestClips
from tasks.datasets.music_avqa import MusicAvqaFolder
from tasks.datasets.prepare import prepare
from tasks.datasets.source import ClipSource
from tasks.datasets.verify import verify
from tasks.datasets.vggsound import VggSoundFolder

ROW = {
    "question_id": 0,
    "type": '["Visual", "Counting"]',
    "templ_values": '["violin"]',
    "question_content": "How many <Object>?",
    "anser": "one",
}
TIMES = int(os.environ.get("AVBENCH_FUZZ", "1"))
fuzz = settings(max_examples=10 * TIMES, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@st.composite
def damage(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Something that befalls a file: cut short, bytes overwritten, a piece lost, a piece of another kind put in."""
    share, length = draw(st.floats(0, 1)), draw(st.integers(1, 400))
    noise, kind = draw(st.binary(min_size=1, max_size=400)), draw(st.sampled_from(["cut", "write", "lose", "insert"]))

    def apply(content: bytes) -> bytes:
        place = int(share * len(content))
        head, rest = content[:place], content[place:]
        return {
            "cut": head,
            "write": head + noise + rest[len(noise) :],
            "lose": head + rest[length:],
            "insert": head + noise + rest,
        }[kind]

    return apply


@fuzz
@given(befall=damage())
def test_a_damaged_video_is_read_or_found_and_never_skipped(ave: Path, tmp_path: Path, befall: Callable) -> None:
    """Reading, verification and preparation agree on whether the clip can be used."""
    data = tmp_path / "data"
    if not data.exists():
        shutil.copytree(ave, data)
    (data / "videos" / "c1.mp4").write_bytes(befall((ave / "videos" / "c1.mp4").read_bytes()))
    source = AveFolder(data, side=32)
    assert_all_agree(source, tmp_path / "store", "c1", 6)


@fuzz
@given(befall=damage(), target=st.sampled_from(["raw_audio/c1.wav", "video_frames/c1/0006.jpg"]))
def test_a_damaged_picture_or_sound_file_likewise(
    ave: Path, tmp_path: Path, befall: Callable, target: str, write_pictures: Callable, write_wav: Callable
) -> None:
    data = tmp_path / "data"
    if not data.exists():
        shutil.copytree(ave, data)
        (data / "videos" / "c1.mp4").unlink()
        write_pictures(data / "video_frames" / "c1", 10)
        write_wav(data / "raw_audio" / "c1.wav", np.full((1, 10 * SAMPLE_RATE), 0.1, np.float32))
        shutil.copytree(data, tmp_path / "whole")
    for name in ("raw_audio/c1.wav", "video_frames/c1/0006.jpg"):
        shutil.copy(tmp_path / "whole" / name, data / name)
    (data / target).write_bytes(befall((data / target).read_bytes()))
    assert_all_agree(AveFolder(data, side=32), tmp_path / "store", "c1", 6)


def assert_all_agree(source: AveFolder, store: Path, clip: str, clips: int) -> None:
    shutil.rmtree(store, ignore_errors=True)
    try:
        read = source.media.read(clip, 10, seconds=10, size=32)
    except UserError as error:
        assert_one_line(error)
        read = None
    else:
        assert read.frames.shape == (10, 3, 32, 32)
        assert np.isfinite(read.waveform.numpy()).all()
    found = verify(source, "full", 0)
    assert found.faults == (read is None)
    assert {finding.clip for finding in found.findings} <= {clip}
    try:
        made = prepare(source, store, 32, 0)
    except UserError as error:  # an empty file is refused before anything is decoded
        assert_one_line(error)
        assert read is None
    else:
        assert made.clips + len(made.left_out) == clips
        assert list(made.left_out) == ([] if read else [clip])


def assert_one_line(error: UserError) -> None:
    assert str(error)
    assert "\n" not in str(error)


def write_ave(root: Path) -> list[Path]:
    lines = ["Church bell&c0&good&2&6", "Bark&c1&good&0&10", "Bark&c2&good&0&0"]
    files = {"Annotations.txt": lines, "trainSet.txt": lines[:1], "valSet.txt": lines[1:2], "testSet.txt": lines[2:]}
    for name, rows in files.items():
        (root / name).write_text("\n".join(rows) + "\n")
    return [root / name for name in files]


def write_avqa(root: Path) -> list[Path]:
    paths = [root / f"avqa-{name}.json" for name in ("train", "val", "test")]
    for i, path in enumerate(paths):
        path.write_text(json.dumps([{"video_id": f"0000000{i}", **ROW}]))
    return paths


def write_lists(root: Path) -> list[Path]:
    paths = [root / f"vgg_{name}.json" for name in ("train", "val", "test")]
    for i, path in enumerate(paths):
        path.write_text(json.dumps({"data": [{"video_id": f"c{i}", "wav": "", "video_path": "", "labels": "dog"}]}))
    return paths


def write_manifest(root: Path) -> list[Path]:
    rows = ["a,videos/c0.mp4,0,10,train,dog", "b,videos/c1.mp4,2.5,,val,dog", "c,videos/c2.mp4,,5,test,dog"]
    (root / "manifest.csv").write_text("\n".join(["id,path,start,end,split,label", *rows]) + "\n")
    return [root / "manifest.csv"]


def open_manifest(root: Path) -> ClipSource:
    return ManifestClips(root / "manifest.csv")


READERS: dict[str, tuple[Callable, Callable]] = {
    "ave": (write_ave, AveFolder),
    "music_avqa": (write_avqa, MusicAvqaFolder),
    "vggsound": (write_lists, VggSoundFolder),
    "manifest": (write_manifest, open_manifest),
}


@pytest.mark.parametrize("name", READERS)
@settings(fuzz, max_examples=60 * TIMES)
@given(befall=damage(), which=st.integers(0, 3))
def test_damaged_annotations_are_read_or_one_line(name: str, tmp_path: Path, befall: Callable, which: int) -> None:
    """What is read anew keeps its rows: each is there, and each clip without a file is a finding."""
    write, read = READERS[name]
    paths = write(tmp_path)
    path = paths[which % len(paths)]
    path.write_bytes(befall(path.read_bytes()))
    try:
        source = read(tmp_path)
        found = verify(source, "quick", 0)
    except UserError as error:
        assert_one_line(error)
    else:
        assert all(found.items.values()) or name == "manifest"
        assert len({finding.clip for finding in found.findings}) == found.faults > 0


@pytest.mark.parametrize("name", ["ave", "music_avqa", "vggsound"])
@pytest.mark.parametrize("clip", ["../secret", "/etc/passwd", "a/b", "..", ".hidden", "a\\b", "c\u20280"])
def test_an_id_cannot_leave_the_folder(name: str, clip: str, tmp_path: Path) -> None:
    write, read = READERS[name]
    for path in write(tmp_path):
        text = path.read_text()
        path.write_text(
            text.replace("c0", json.dumps(clip)[1:-1] if name != "ave" else clip).replace(
                '"00000000"', json.dumps(clip)
            )
        )
    with pytest.raises(UserError) as caught:
        verify(read(tmp_path), "quick", 0)
    assert_one_line(caught.value)


@pytest.mark.parametrize("path", ["../secret.mp4", "/etc/passwd", "videos/../../x.mp4", "a\\b.mp4", "link/secret.mp4"])
def test_a_manifest_s_path_cannot_leave_the_folder(path: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "secret.mp4").write_bytes(b"x")
    (tmp_path / "data" / "link").symlink_to(tmp_path)
    (tmp_path / "data" / "manifest.csv").write_text(f"id,path,start,end,split\na,{path},0,1,train\n")
    with pytest.raises(UserError, match=r"within the manifest's folder|leads out of the manifest's folder"):
        verify(open_manifest(tmp_path / "data"), "quick", 0)
