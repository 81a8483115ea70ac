"""Clips are found by id, whatever the layout, and never outside of their folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import UserError
from registry.vocabulary import SAMPLE_RATE
from tasks.media.encode import encode_clip
from tasks.media.inspect import inspect_decoded
from tasks.media.library import MediaFolder, find_data_root

Write = Callable[..., None]


def write_clip(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    encode_clip(path, np.full((8, 32, 32, 3), level, np.uint8), 8, None)


def level(folder: MediaFolder, clip: str) -> float:
    return float(folder.read(clip, 1).frames.float().mean())


@pytest.mark.parametrize("place", ["videos/a-b_1.mp4", "a-b_1.mp4", "AVE/a-b_1.mp4", "videos/a-b_1.MP4"])
def test_a_video_is_found(tmp_path: Path, place: str) -> None:
    write_clip(tmp_path / place, 90)
    folder = MediaFolder(tmp_path)
    folder.require(["a-b_1"])
    assert level(folder, "a-b_1") == pytest.approx(90, abs=2)


def test_the_videos_folder_comes_first(tmp_path: Path) -> None:
    write_clip(tmp_path / "c.mp4", 30)
    write_clip(tmp_path / "videos" / "c.mp4", 90)
    assert level(MediaFolder(tmp_path), "c") == pytest.approx(90, abs=2)


def test_frames_and_sound_are_found(tmp_path: Path, write_pictures: Write, write_wav: Write) -> None:
    write_pictures(tmp_path / "video_frames" / "-id", 10)
    write_wav(tmp_path / "raw_audio" / "-id.wav", np.full((1, 10 * SAMPLE_RATE), 0.25, np.float32))
    folder = MediaFolder(tmp_path)
    folder.require(["-id"])
    clip = folder.read("-id", 10, size=16)
    assert clip.frames.shape == (10, 3, 16, 16)
    assert clip.waveform.mean() == pytest.approx(0.25, abs=1e-3)


def test_missing_and_empty_clips_are_listed_together(tmp_path: Path) -> None:
    write_clip(tmp_path / "videos" / "there.mp4", 90)
    (tmp_path / "videos" / "empty.mp4").touch()
    with pytest.raises(UserError, match=r"2 of 3 clips are missing or empty .*: empty, gone; ") as caught:
        MediaFolder(tmp_path).require(["there", "empty", "gone", "gone"])
    assert "\n" not in str(caught.value)


def test_a_long_list_is_cut(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="c0, c1, c2, c3, c4 …;"):
        MediaFolder(tmp_path).require(f"c{i}" for i in range(100))


@pytest.mark.parametrize("clip", ["../secret", "..", ".", "", "/etc/passwd", "a/b", "a\\b", ".hidden", "a\0b", "a\nb"])
def test_an_id_that_is_a_path_is_refused(tmp_path: Path, clip: str) -> None:
    write_clip(tmp_path / "secret.mp4", 90)
    folder = MediaFolder(tmp_path / "data")
    with pytest.raises(UserError, match="not a plain name"):
        folder.require([clip])
    with pytest.raises(UserError, match="not a plain name"):
        folder.read(clip, 1)


@given(clip=st.text(max_size=12))
def test_every_id_is_refused_or_missing_in_an_empty_folder(clip: str) -> None:
    with pytest.raises(UserError) as caught:
        MediaFolder(Path("no-such-folder")).read(clip, 1)
    assert "\n" not in str(caught.value)


def test_the_data_root_is_the_folder_or_its_part(tmp_path: Path) -> None:
    assert find_data_root(tmp_path, "ave") == tmp_path
    (tmp_path / "ave").mkdir()
    assert find_data_root(str(tmp_path), "ave") == tmp_path / "ave"
    assert find_data_root(tmp_path, "music_avqa") == tmp_path
    with pytest.raises(UserError, match="does not exist"):
        find_data_root(tmp_path / "gone", "ave")


def test_a_link_that_leads_out_of_its_folder_names_nothing(tmp_path: Path) -> None:
    write_clip(tmp_path / "secret.mp4", 90)
    (tmp_path / "private").mkdir()
    root = tmp_path / "data"
    for folder in ("videos", "video_frames", "raw_audio"):
        (root / folder).mkdir(parents=True)
    (root / "videos" / "a.mp4").symlink_to(tmp_path / "secret.mp4")
    (root / "video_frames" / "b").symlink_to(tmp_path / "private")
    (root / "raw_audio" / "c.wav").symlink_to(tmp_path / "secret.mp4")
    folder = MediaFolder(root)
    assert folder.missing(["a", "b", "c"]) == ["a", "b", "c"]
    with pytest.raises(UserError, match="are missing"):
        folder.read("a", 1)


def test_the_folders_themselves_may_be_links(tmp_path: Path) -> None:
    write_clip(tmp_path / "disk" / "a.mp4", 90)
    (tmp_path / "disk" / "b.mp4").symlink_to("a.mp4")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "videos").symlink_to(tmp_path / "disk")
    assert MediaFolder(tmp_path / "data").missing(["a", "b"]) == []


def test_pictures_of_all_clips_side_by_side(tmp_path: Path, write_pictures: Callable, write_wav: Callable) -> None:
    """CAV-MAE's layout: `frame_0` has the first picture of each clip, …, `frame_10` the eleventh."""
    write_pictures(tmp_path / "plain", 11)
    for number in range(11):
        folder = tmp_path / "video_frames" / f"frame_{number}"
        folder.mkdir(parents=True)
        (tmp_path / "plain" / f"{number + 1:04d}.jpg").rename(folder / "clip_000030.jpg")
    write_wav(tmp_path / "raw_audio" / "clip_000030.wav", np.full((1, 10 * SAMPLE_RATE), 0.1, np.float32))
    library = MediaFolder(tmp_path)
    assert library.missing(["clip_000030", "gone"]) == ["gone"]
    clip = library.read("clip_000030", 11, seconds=10)
    np.testing.assert_allclose(clip.frames.float().mean(dim=(1, 2, 3)), 2 * np.arange(1, 12), atol=0.6)
    assert clip.has_sound
    assert inspect_decoded(library.find("clip_000030", 10), 10) == []
    assert [problem.kind for problem in inspect_decoded(library.find("clip_000030", 10), 12)] == ["short"]


def test_links_that_lead_out_are_called_links(tmp_path: Path) -> None:
    """As download caches and git-annex lay files out; those that stay inside are read."""
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "0a").write_bytes(b"video")
    videos = tmp_path / "set" / "videos"
    videos.mkdir(parents=True)
    (videos / "led.mp4").symlink_to("../../blobs/0a")
    (videos / "real.mp4").write_bytes(b"video")
    (videos / "same.mp4").symlink_to("real.mp4")
    media = MediaFolder(tmp_path / "set")
    assert media.missing(["led", "real", "same"]) == ["led"]
    with pytest.raises(UserError, match=r"media of 1 of 2 clips under .* are links that lead out of it: led; copy"):
        media.require(["led", "real"])


def test_a_link_among_the_pictures_of_a_clip_is_not_followed(tmp_path: Path, write_pictures: Callable) -> None:
    write_pictures(tmp_path / "video_frames" / "c", 3)
    write_pictures(tmp_path / "private", 1)
    (tmp_path / "video_frames" / "c" / "0002.jpg").unlink()
    (tmp_path / "video_frames" / "c" / "0002.jpg").symlink_to(tmp_path / "private" / "0001.jpg")
    with pytest.raises(UserError, match=r"its picture 0002\.jpg is a link that leads out of it"):
        MediaFolder(tmp_path).read("c", 3)


def test_a_pipe_is_no_video_and_no_picture(tmp_path: Path, write_pictures: Callable) -> None:
    write_pictures(tmp_path / "video_frames" / "c", 1)
    os.mkfifo(tmp_path / "video_frames" / "c" / "0002.jpg")
    (tmp_path / "videos").mkdir()
    os.mkfifo(tmp_path / "videos" / "d.mp4")
    media = MediaFolder(tmp_path)
    assert media.read("c", 1).frames.shape[0] == 1
    assert media.missing(["d"]) == ["d"]


def test_notes_of_the_system_are_no_media(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    for name in ("._c.mp4", ".hidden.mp4", "Thumbs.db", "c.m4v"):
        (tmp_path / "videos" / name).write_bytes(b"video")
    assert MediaFolder(tmp_path).find("c").video == tmp_path / "videos" / "c.m4v"
    assert not MediaFolder(tmp_path).find("Thumbs").present


@pytest.mark.parametrize("suffix", [".m4v", ".ts", ".avi", ".MPG"])
def test_a_folder_for_each_clip_is_a_layout_too(tmp_path: Path, suffix: str) -> None:
    for clip, files in (("one", ["x"]), ("two", ["x", "y"])):
        (tmp_path / "AVE" / clip).mkdir(parents=True)
        for name in files:
            (tmp_path / "AVE" / clip / f"{name}{suffix}").write_bytes(b"video")
    media = MediaFolder(tmp_path)
    assert media.find("one").video == tmp_path / "AVE" / "one" / f"x{suffix}"
    assert media.missing(["one", "two"]) == ["two"]


def test_the_folder_above_may_be_given(tmp_path: Path) -> None:
    """An archive unpacked into a folder of its name, beside what a Mac leaves."""
    (tmp_path / "AVE_Dataset").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    assert find_data_root(tmp_path, "ave") == tmp_path / "AVE_Dataset"
    (tmp_path / "Annotations.txt").write_text("")
    assert find_data_root(tmp_path, "ave") == tmp_path
