"""Pictures are seen upright, as their file says that they are turned and mirrored."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from coded_clips import FPS, assert_synchronous, number, picture, write_coded

from tasks.media.decode import decode_clip
from tasks.media.errors import MediaError
from tasks.media.frames import read_frames

QUARTERS = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
MIRRORED = {"across": (-1, 0, 0, 1), "down": (1, 0, 0, -1), "over": (0, 1, 1, 0), "under": (0, -1, -1, 0)}
TURNS: dict[Any, tuple[int, int, int, int]] = {**QUARTERS, **MIRRORED}


def stored(seen: np.ndarray, turn: tuple[int, int, int, int]) -> np.ndarray:
    """How a picture lies in a file that says (a, b, c, d): (h, w, 3) -> the same, turned back."""
    a, b, c, d = turn
    back = seen[:: d or b, :: a or c]
    return back if a else back.transpose(1, 0, 2)


def turned(path: Path, turn: tuple[int, int, int, int], video: str = "libx264", **more: Any) -> Path:
    """A coded clip whose pictures are stored turned, and whose header says so."""
    a, b, c, d = (part << 16 for part in turn)
    matrix = (a, b, 0, c, d, 0, 0, 0, 1 << 30)
    return write_coded(
        path, 3.0, video, adjust=lambda stream: stream.set_display_matrix(matrix),
        show=lambda seen: stored(seen, turn), **more,
    )  # fmt: skip


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize(
    ("suffix", "video"), [(".mp4", "libx264"), (".mov", "libx264"), (".mp4", "libx265"), (".mov", "libx265"),
                          (".mkv", "libx264"), (".mp4", "mpeg4")],
)  # fmt: skip
def test_a_turned_video_is_seen_upright(tmp_path: Path, turn: Any, suffix: str, video: str) -> None:
    options = {"options": {"x265-params": "log-level=none"}} if video == "libx265" else {}
    path = turned(tmp_path / f"turned{suffix}", TURNS[turn], video, **options)
    clip = decode_clip(path, 3, 3.0, 96)
    assert_synchronous(clip)
    assert [number(frame) for frame in clip.frames.numpy()] == [FPS // 2 + FPS * i for i in range(3)]
    assert decode_clip(path, 3).frames.shape == (3, 3, 64, 96)


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not on this machine")
@pytest.mark.parametrize("turn", TURNS)
def test_a_turned_video_is_seen_as_ffmpeg_shows_it(tmp_path: Path, turn: Any) -> None:
    path = turned(tmp_path / "turned.mp4", TURNS[turn])
    command = ["ffmpeg", "-v", "error", "-ss", "0.48", "-i", path, "-frames:v", "1", "-f", "rawvideo"]
    shown = subprocess.run([*command, "-pix_fmt", "rgb24", "-"], check=True, capture_output=True).stdout
    expected = np.frombuffer(shown, np.uint8).reshape(64, 96, 3).astype(int)
    ours = decode_clip(path, 3, 3.0).frames[0].permute(1, 2, 0).numpy()
    assert np.abs(ours - expected).mean() < 4


def test_an_angle_that_is_no_quarter_is_named(tmp_path: Path) -> None:
    path = write_coded(tmp_path / "odd.mp4", 2.0, adjust=lambda stream: stream.set_display_rotation(30))
    with pytest.raises(MediaError, match=r"odd\.mp4: its pictures are to be turned by an angle"):
        decode_clip(path, 2)


EXIF = {1: 0, 2: "across", 3: 180, 4: "down", 5: "over", 6: 90, 7: "under", 8: 270}
"""Orientations of EXIF, by the turn that each asks for."""


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """A JPEG with an EXIF segment of one entry."""
    tiff = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


@pytest.mark.parametrize("orientation", EXIF)
def test_a_picture_of_a_camera_is_seen_upright(tmp_path: Path, orientation: int) -> None:
    lying = np.ascontiguousarray(stored(picture(1234), TURNS[EXIF[orientation]]))
    done, jpeg = cv2.imencode(".jpg", lying)
    assert done
    (tmp_path / "0001.jpg").write_bytes(with_orientation(jpeg.tobytes(), orientation))
    clip = read_frames(tmp_path, None, 1)
    assert clip.frames.shape == (1, 3, 64, 96)
    assert number(clip.frames[0].numpy()) == 1234


def test_pictures_of_unequal_orientation_get_one_size(tmp_path: Path) -> None:
    """As with pictures of unequal size, the first one's holds."""
    for place, orientation in enumerate((1, 6)):
        lying = np.ascontiguousarray(stored(picture(place), TURNS[EXIF[orientation]]))
        jpeg = cv2.imencode(".jpg", lying)[1].tobytes()
        (tmp_path / f"{place}.jpg").write_bytes(with_orientation(jpeg, orientation))
    assert [number(frame) for frame in read_frames(tmp_path, None, 2).frames.numpy()] == [0, 1]


def test_pictures_are_known_by_content(tmp_path: Path) -> None:
    """PNG under the name of JPEG, and the other way round, beside what systems leave in folders."""
    for place, (suffix, content) in enumerate(((".jpg", ".png"), (".png", ".jpg"), (".JPG", ".jpg"))):
        (tmp_path / f"{place}{suffix}").write_bytes(cv2.imencode(content, picture(place))[1].tobytes())
        (tmp_path / f"._{place}{suffix}").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        ")
    (tmp_path / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    (tmp_path / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    assert [number(frame) for frame in read_frames(tmp_path, None, 3).frames.numpy()] == [0, 1, 2]


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(b"GIF89a")
    with pytest.raises(MediaError, match=r"1\.jpg: it is neither a JPEG nor a PNG picture"):
        read_frames(tmp_path, None, 1)
