"""What users call a clip: videos, folders of pictures or videos, manifests."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from kept_cells import data_of
from PIL import Image

from benchmark.kept.config import ModelFacts
from benchmark.use.clips import ClipItems, find_clips, read_clip
from registry import UserError

FACTS = ModelFacts(
    labels=[], classes=[], answers=[], words=[], questions=0, words_of_a_question=0, segments=5, seconds=10.0,
    sampling="middle", window=1.0, picture={"size": 16}, precision="fp32",
)  # fmt: skip


def test_a_folder_of_videos_is_each_of_them(sample: Path) -> None:
    folder = data_of(sample, "retrieval") / "videos"
    assert [clip.source for clip in find_clips([folder])] == sorted(str(path) for path in folder.iterdir())


def test_a_folder_of_pictures_takes_the_sound_in_it(tmp_path: Path, sample: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(np.full((8, 8, 3), 80 * number, np.uint8)).save(folder / f"{number}.png")
    (clip,) = find_clips([folder])
    assert read_clip(clip, FACTS).notes == ("no sound track",)
    video = next((data_of(sample, "retrieval") / "videos").glob("*.mp4"))
    (folder / "sound.wav").write_bytes(_wav(video))
    (clip,) = find_clips([folder])
    read = read_clip(clip, FACTS)
    assert read.notes == ()
    assert read.clip.waveform.any()
    (folder / "other.wav").write_bytes(_wav(video))
    with pytest.raises(UserError, match="holds 2 files of sound"):
        find_clips([folder])


def _wav(video: Path) -> bytes:
    import io
    import wave

    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes((np.sin(np.arange(160_000) / 9) * 9_000).astype(np.int16).tobytes())
    return file.getvalue()


def test_rows_of_a_manifest_are_clips_of_its_seconds(tmp_path: Path, sample: Path) -> None:
    video = next((data_of(sample, "retrieval") / "videos").glob("*.mp4"))
    shutil.copy(video, tmp_path / "a.mp4")
    table = "id,path,start,end,split,label\none,a.mp4,2,6,test,dog\ntwo,a.mp4,1,2,test,dog\ntwo,a.mp4,3,4,test,cat\n"
    (tmp_path / "manifest.csv").write_text(table)
    one, two = find_clips([tmp_path])
    assert (one.id, two.id, one.source) == ("one", "two", "a.mp4")
    read = read_clip(one, FACTS)
    assert (read.begin, read.length) == (2.0, 4.0)
    assert read.frame_times[0] == pytest.approx(2.4)
    assert read.notes == ("only 4 s from 2 s on of 10 s were read",)
    # Two events of one clip, whose seconds no row says.
    assert (read_clip(two, FACTS).begin, read_clip(two, FACTS).length) == (0.0, 10.0)


@pytest.mark.parametrize("kind", ["missing", "empty folder", "pipe", "twice", "nothing"])
def test_what_is_no_clip_is_one_line(tmp_path: Path, kind: str) -> None:
    import os

    (tmp_path / "folder").mkdir()
    (tmp_path / "a.mp4").write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe.mp4")
    given: list[str | Path] = {
        "missing": [tmp_path / "b.mp4"],
        "empty folder": [tmp_path / "folder"],
        "pipe": [tmp_path / "pipe.mp4"],
        "twice": [tmp_path / "a.mp4", tmp_path / "a.mp4"],
        "nothing": [],
    }[kind]
    said = {
        "missing": "b.mp4 is missing", "empty folder": "holds neither videos nor", "pipe": "is no regular file",
        "twice": "two clips are called", "nothing": "no clip was given",
    }[kind]  # fmt: skip
    with pytest.raises(UserError, match=said):
        find_clips(given)


def test_items_of_a_loader_tell_what_could_not_be_read_where_asked(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    clips = find_clips([tmp_path / "a.mp4"])
    item = ClipItems(clips, FACTS, forgiving=True)[0]
    assert "cannot decode" in item["error"]
    assert item["frames"].shape == (5, 3, 16, 16)
    with pytest.raises(UserError, match="cannot decode"):
        ClipItems(clips, FACTS)[0]
