"""Whatever is damaged, there is a clip, one line that says what is wrong, or a counted finding; never anything else.

With many times the examples, ten thousand of `any_kind` and of each layout of `annotations`:

    AVBENCH_FUZZ=500 python -m pytest tests/tasks/media/test_fuzz.py -k any_kind
    AVBENCH_FUZZ=170 python -m pytest tests/tasks/media/test_fuzz.py -k annotations
"""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from coded_clips import picture, write_coded
from damages import damage, harm
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.errors import UserError
from registry.vocabulary import SAMPLE_RATE
from tasks.datasets.ave import AveFolder
from tasks.datasets.manifest_clips import ManifestClips
from tasks.datasets.manifest_events import ManifestEvents
from tasks.datasets.music_avqa import MusicAvqaFolder
from tasks.datasets.prepare import prepare
from tasks.datasets.source import ClipSource
from tasks.datasets.verify import verify
from tasks.datasets.vggsound import VggSoundFolder
from tasks.media.decode import decode_clip
from tasks.media.frames import read_frames, read_sound

ROW = {
    "question_id": 0,
    "type": '["Visual", "Counting"]',
    "templ_values": '["violin"]',
    "question_content": "How many <Object>?",
    "anser": "one",
}
TIMES = int(os.environ.get("AVBENCH_FUZZ", "1"))
fuzz = settings(max_examples=10 * TIMES, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


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


BETWEEN = {"bf": "2", "b_strategy": "0"}
QUARTER = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)


def joined(path: Path) -> Path:
    """Two recordings in one file, whose clock begins anew."""
    parts = [write_coded(path.with_name(f"{i}{path.name}"), 1.0, begin=float(i), options=BETWEEN) for i in range(2)]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def covered(path: Path) -> Path:
    """A clip behind its cover."""
    done, art = cv2.imencode(".jpg", picture(9))
    assert done
    write_coded(path.with_name("bare.mp4"), 2.0, options=BETWEEN)
    with av.open(str(path.with_name("bare.mp4"))) as bare, av.open(str(path), "w") as out:
        cover = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 96, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        tracks = {track.index: out.add_stream_from_template(track) for track in bare.streams}
        packet = av.Packet(art.tobytes())
        packet.stream, packet.pts, packet.dts = cover, 0, 0
        out.mux(packet)
        for packet in bare.demux():
            if packet.dts is not None:
                packet.stream = tracks[packet.stream.index]
                out.mux(packet)
    return path


KINDS: dict[str, Callable[[Path], Path]] = {
    "rotated.mp4": lambda path: write_coded(
        path, 2.0, options=BETWEEN, adjust=lambda stream: stream.set_display_matrix(QUARTER)
    ),
    "joined.ts": joined,
    "covered.mp4": covered,
    "sound_first.mkv": lambda path: write_coded(path, 2.0, options=BETWEEN, sound_first=True),
    "fragmented.mp4": lambda path: write_coded(
        path, 2.0, options=BETWEEN, muxer={"movflags": "frag_keyframe+empty_moov"}
    ),
    "h264.avi": lambda path: write_coded(path, 2.0, audio="libmp3lame", options=BETWEEN),
    "vp9.webm": lambda path: write_coded(path, 2.0, "libvpx-vp9", "libopus"),
    "mpeg.mpg": lambda path: write_coded(path, 2.0, "mpeg2video", "mp2"),
    "flash.flv": lambda path: write_coded(path, 2.0, options=BETWEEN),
    "windows.wmv": lambda path: write_coded(path, 2.0, "wmv2", "wmav2", 44_100, "stereo", 128_000),
    "hevc.mp4": lambda path: write_coded(path, 2.0, "libx265", options={"x265-params": "log-level=none"}),
    "voice.aiff": lambda path: write_coded(path, 2.0, None, "pcm_s16be"),
    "voice.ogg": lambda path: write_coded(path, 2.0, None, "libopus"),
    "voice.mp3": lambda path: write_coded(path, 2.0, None, "libmp3lame"),
    "camera.jpg": lambda path: camera(path, ".jpg"),
    "misnamed.jpg": lambda path: camera(path, ".png"),
}


def camera(path: Path, encoded: str) -> Path:
    """A picture with notes of its camera, or a PNG under another name."""
    done, content = cv2.imencode(encoded, picture(9))
    assert done
    notes = b"Exif\0\0MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    head = b"\xff\xe1" + struct.pack(">H", len(notes) + 2) + notes if encoded == ".jpg" else b""
    path.write_bytes(content.tobytes()[:2] + head + content.tobytes()[2:])
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A short file of each kind."""
    folder = tmp_path_factory.mktemp("kinds")
    return {name: write(folder / name).read_bytes() for name, write in KINDS.items()}


@settings(fuzz, max_examples=20 * TIMES)
@given(st.sampled_from(list(KINDS)), harm(), st.sampled_from([None, 2.0]), st.sampled_from([0.0, 0.7]))
def test_a_damaged_file_of_any_kind_is_a_clip_or_one_line(
    whole: dict[str, bytes], tmp_path: Path, name: str, befall: Callable, seconds: float | None, start: float
) -> None:
    folder = tmp_path / "one"
    folder.mkdir(exist_ok=True)
    path, told = folder / name, None
    path.write_bytes(befall(whole[name]))
    try:
        if name.startswith("voice"):
            sound = read_sound(path)
        elif name.endswith(".jpg"):
            sound = read_frames((path,), None, 2, seconds, 32).waveform.numpy()
        else:
            clip = decode_clip(path, 2, seconds, 32, start)
            assert clip.frames.shape == (2, 3, 32, 32)
            sound = clip.waveform.numpy()
        assert np.isfinite(sound).all()
    except UserError as error:
        assert_one_line(error)
        told = str(error)
    assert told is None or name in told


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


def saved_as(encoding: str, separator: str, told: str = "") -> Callable[[Path], list[Path]]:
    """A manifest as a spreadsheet saves it."""

    def write(root: Path) -> list[Path]:
        (path,) = write_manifest(root)
        path.write_bytes((told + path.read_text().replace(",", separator)).encode(encoding))
        return [path]

    return write


def write_events(root: Path) -> list[Path]:
    rows = ["a,videos/c0.mp4,0,10,train,", "a,videos/c0.mp4,2,5,train,dog", "b,videos/c1.mp4,1,4,val,dog"]
    (root / "manifest.csv").write_text("\n".join(["id,path,start,end,split,label", *rows, rows[1]]) + "\n")
    return [root / "manifest.csv"]


def write_vggsounds_own(root: Path) -> list[Path]:
    rows = [f'{"-" * (i % 2)}x{i:010d},{i},"playing bass, drum",{["train", "test"][i % 2]}' for i in range(8)]
    (root / "vggsound.csv").write_text("\n".join(rows) + "\n")
    return [root / "vggsound.csv"]


def open_manifest(root: Path) -> ClipSource:
    return ManifestClips(root / "manifest.csv")


def open_events(root: Path) -> ClipSource:
    return ManifestEvents(root / "manifest.csv")


READERS: dict[str, tuple[Callable, Callable]] = {
    "ave": (write_ave, AveFolder),
    "music_avqa": (write_avqa, MusicAvqaFolder),
    "vggsound": (write_lists, VggSoundFolder),
    "vggsound_own": (write_vggsounds_own, VggSoundFolder),
    "manifest": (write_manifest, open_manifest),
    "manifest_semicolons": (saved_as("utf-8-sig", ";", "sep=;\n"), open_manifest),
    "manifest_utf16": (saved_as("utf-16", "\t"), open_manifest),
    "manifest_events": (write_events, open_events),
}


@pytest.mark.parametrize("name", READERS)
@settings(fuzz, max_examples=60 * TIMES)
@given(befall=harm(), which=st.integers(0, 3))
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
        assert all(found.items.values()) or name.startswith("manifest")
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
