"""Picture and sound of the same moment, whatever the container, the codec, and what became of the file on its way."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from coded_clips import FPS, SAMPLE_RATE, assert_synchronous, number, picture, tone, write_coded

from tasks.media.decode import decode_clip
from tasks.media.errors import MediaError
from tasks.media.inspect import inspect_decoded, inspect_headers
from tasks.media.recording import FileRecording

BETWEEN = {"bf": "3", "b_strategy": "0"}
"""Pictures between others, which are coded in another order than they are shown in."""
X265 = {"x265-params": "log-level=none"}
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov"}
KINDS: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "mp4 h264": (".mp4", "libx264", "aac", {"options": BETWEEN}),
    "mp4 h264, fragmented": (".mp4", "libx264", "aac", {"options": BETWEEN, "muxer": FRAGMENTED}),
    "mp4 h264, fragmented, late index": (
        ".mp4", "libx264", "aac", {"options": BETWEEN, "muxer": {"movflags": "frag_keyframe+delay_moov"}},
    ),
    "mp4 h264 mp3": (".mp4", "libx264", "libmp3lame", {"options": BETWEEN}),
    "mp4 hevc": (".mp4", "libx265", "aac", {"options": X265}),
    "mp4 mpeg4": (".mp4", "mpeg4", "aac", {"options": {"bf": "2"}}),
    "mp4 av1": (".mp4", "libsvtav1", "libopus", {}),
    "m4v h264": (".m4v", "libx264", "aac", {}),
    "mov h264 44.1 kHz": (".mov", "libx264", "aac", {"rate": 44_100, "layout": "stereo"}),
    "mov prores": (".mov", "prores_ks", "pcm_s16le", {"pix_fmt": "yuv422p10le"}),
    "mov mjpeg": (".mov", "mjpeg", "pcm_s16le", {"pix_fmt": "yuvj420p"}),
    "mkv h264": (".mkv", "libx264", "libopus", {"options": BETWEEN}),
    "mkv hevc": (".mkv", "libx265", "ac3", {"options": X265}),
    "mkv ffv1": (".mkv", "ffv1", "flac", {}),
    "webm vp8": (".webm", "libvpx", "libopus", {}),
    "webm vp9": (".webm", "libvpx-vp9", "libopus", {}),
    "ts h264": (".ts", "libx264", "aac", {"options": BETWEEN}),
    "ts hevc": (".ts", "libx265", "aac", {"options": X265}),
    "ts mpeg2": (".ts", "mpeg2video", "mp2", {"options": {"bf": "2"}}),
    "mpg mpeg1": (".mpg", "mpeg1video", "mp2", {"options": {"bf": "2"}}),
    "mpg mpeg2": (".mpg", "mpeg2video", "mp2", {"options": {"bf": "2"}}),
    "flv h264": (".flv", "libx264", "aac", {"options": BETWEEN}),
    "flv sorenson": (".flv", "flv", "libmp3lame", {"rate": 44_100}),
    "avi h264": (".avi", "libx264", "libmp3lame", {"options": BETWEEN}),
    "avi h264, few between": (".avi", "libx264", "pcm_s16le", {"options": {"bf": "1", "b_strategy": "0"}}),
    "avi mpeg4": (".avi", "mpeg4", "pcm_s16le", {}),
    "avi mpeg4 between": (".avi", "mpeg4", "libmp3lame", {"options": {"bf": "2"}}),
    "avi mjpeg": (".avi", "mjpeg", "pcm_s16le", {"pix_fmt": "yuvj420p"}),
    "wmv": (".wmv", "wmv2", "wmav2", {"rate": 44_100, "layout": "stereo", "bit_rate": 128_000}),
    "sound first": (".mp4", "libx264", "aac", {"options": BETWEEN, "sound_first": True}),
    "sound first, mkv": (".mkv", "libx264", "aac", {"options": BETWEEN, "sound_first": True}),
    "sound first, ts": (".ts", "libx264", "aac", {"options": BETWEEN, "sound_first": True}),
    "late clock": (".mp4", "libx264", "aac", {"offset": 3.0}),
    "late clock, ts": (".ts", "libx264", "aac", {"options": BETWEEN, "offset": 300.0}),
}  # fmt: skip


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder, made = tmp_path_factory.mktemp("coded"), dict[str, Path]()

    def write(kind: str) -> Path:
        suffix, video, audio, more = KINDS[kind]
        if kind not in made:
            made[kind] = write_coded(folder / f"{len(made)}{suffix}", 5.0, video, audio, **more)
        return made[kind]

    return write


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_seen_is_heard_at_the_same_time(coded: Callable[[str], Path], kind: str) -> None:
    assert_synchronous(decode_clip(coded(kind), 5, 5.0, 96))


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="ffmpeg is not on this machine")
@pytest.mark.parametrize("kind", KINDS)
def test_pictures_are_on_screen_when_ffmpeg_shows_them(coded: Callable[[str], Path], kind: str) -> None:
    shown = ffmpeg_times(path := coded(kind))
    moments = (np.arange(10) + 0.5) / 2
    expected = [max([place for place, time in enumerate(shown) if time <= at + 1e-4], default=0) for at in moments]
    seen = [number(frame) for frame in decode_clip(path, 10, 5.0, 96).frames.numpy()]
    np.testing.assert_allclose(seen, expected, atol=1)


def ffmpeg_times(path: Path) -> list[float]:
    """When each picture of a file is shown, in seconds of the file, as FFmpeg's own program says."""
    command = "ffprobe -v error -select_streams v -show_entries frame=best_effort_timestamp_time:format=start_time"
    said = json.loads(
        subprocess.run([*command.split(), "-of", "json", path], capture_output=True, check=True, text=True).stdout
    )
    origin = float(said["format"].get("start_time", 0))
    # The last pictures of a stream may come without times.
    return [float(time) - origin for frame in said["frames"] if (time := frame.get("best_effort_timestamp_time"))]


# Sound that is lost


@pytest.mark.parametrize(
    ("suffix", "audio"),
    [(".mp4", "aac"), (".mp4", "libmp3lame"), (".mkv", "libopus"), (".ts", "aac"), (".flv", "aac"), (".mpg", "mp2")],
)
def test_sound_after_a_gap_stays_in_its_place(tmp_path: Path, suffix: str, audio: str) -> None:
    video = "mpeg2video" if suffix == ".mpg" else "libx264"
    path = write_coded(tmp_path / f"gap{suffix}", 6.0, video, audio, lost=(2.0, 4.0))
    assert_synchronous(decode_clip(path, 6, 6.0, 96), silent=(2, 3))


def test_many_short_gaps_do_not_add_up(tmp_path: Path) -> None:
    """One packet of 21 ms in ten is lost: nothing to hear, until a minute of it moves the sound by seconds."""
    path, whole = tmp_path / "gaps.mkv", write_coded(tmp_path / "whole.mp4", 6.0)
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        tracks = {track.index: target.add_stream_from_template(track) for track in source.streams}
        for place, packet in enumerate(source.demux()):
            if packet.dts is not None and (packet.stream.type == "video" or place % 10):
                packet.stream = tracks[packet.stream.index]
                target.mux(packet)
    assert_synchronous(decode_clip(path, 6, 6.0, 96))


def test_a_gap_in_a_sound_file_is_silence_too(tmp_path: Path) -> None:
    from tasks.media.frames import read_sound

    sound = read_sound(write_coded(tmp_path / "gap.m4a", 5.0, None, "aac", lost=(1.0, 3.0), format="mp4"))
    assert abs(sound[SAMPLE_RATE + 1600 : 3 * SAMPLE_RATE - 1600]).max() == 0
    np.testing.assert_allclose(sound[4 * SAMPLE_RATE :][:800], tone(5)[4 * SAMPLE_RATE :][:800], atol=0.1)


# Joined recordings


def joined(path: Path, *parts: Path) -> Path:
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


@pytest.mark.parametrize(("suffix", "video", "audio"), [(".ts", "libx264", "aac"), (".mpg", "mpeg2video", "mp2")])
@pytest.mark.parametrize("offsets", [(0.0, 0.0), (0.0, 3600.0), (3600.0, 0.0)], ids=["again", "later", "earlier"])
def test_joined_recordings_run_on(
    tmp_path: Path, suffix: str, video: str, audio: str, offsets: tuple[float, float]
) -> None:
    """The clock of a part begins anew, or leaps; what is seen and heard goes on, as players show it."""
    parts = [
        write_coded(tmp_path / f"part{i}{suffix}", 4.0, video, audio, begin=4.0 * i, offset=offset)
        for i, offset in enumerate(offsets)
    ]
    path = joined(tmp_path / f"joined{suffix}", *parts)
    for seconds in (8.0, None):
        clip = decode_clip(path, 8, seconds, 96)
        assert_synchronous(clip, unasked=(3, 4))
        np.testing.assert_allclose([number(f) for f in clip.frames.numpy()], np.arange(8) * FPS + 12, atol=4)
    assert not inspect_decoded(FileRecording("joined", video=path, seconds=8.0), 8)


# Which tracks


def with_tracks(path: Path, *sources: tuple[Path, str, int]) -> Path:
    """A file with the tracks of others: (file, kind, disposition)."""
    with av.open(str(path), "w") as target:
        opened = [(av.open(str(file)), kind, mark) for file, kind, mark in sources]
        packets = []
        for container, kind, mark in opened:
            track = getattr(container.streams, kind)[0]
            new = target.add_stream_from_template(track)
            new.disposition = av.stream.Disposition(mark)
            for packet in container.demux(track):
                if packet.dts is not None:
                    packets.append((float(packet.dts * packet.time_base), packet, new))
        for _, packet, new in sorted(packets, key=lambda entry: entry[0]):
            packet.stream = new
            target.mux(packet)
        for container, *_ in opened:
            container.close()
    return path


DEFAULT, COVER = av.stream.Disposition.default.value, av.stream.Disposition.attached_pic.value


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_the_tracks_marked_default_are_taken(tmp_path: Path, suffix: str) -> None:
    right, other = write_coded(tmp_path / "right.mp4", 4.0), write_coded(tmp_path / "other.mp4", 4.0, begin=20.0)
    path = with_tracks(
        tmp_path / f"two{suffix}",
        (other, "video", 0), (right, "video", DEFAULT), (other, "audio", 0), (right, "audio", DEFAULT),
    )  # fmt: skip
    clip = decode_clip(path, 4, 4.0, 96)
    np.testing.assert_allclose([number(frame) for frame in clip.frames.numpy()], np.arange(4) * FPS + 12, atol=1)
    assert_synchronous(clip)


def cover(path: Path) -> Path:
    with av.open(str(path), "w", format="matroska") as out:
        stream = out.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        out.mux([*stream.encode(av.VideoFrame.from_ndarray(picture(99), format="rgb24")), *stream.encode(None)])
    return path


def test_a_cover_before_the_tracks_is_not_seen(tmp_path: Path) -> None:
    clip, art = write_coded(tmp_path / "clip.mp4", 4.0), cover(tmp_path / "cover.mkv")
    path = with_tracks(
        tmp_path / "covered.mp4", (art, "video", COVER), (clip, "video", DEFAULT), (clip, "audio", DEFAULT)
    )
    assert_synchronous(decode_clip(path, 4, None, 96))
    assert not inspect_headers(FileRecording("covered", video=path, seconds=4.0), 4)


def test_a_cover_alone_is_no_video(tmp_path: Path) -> None:
    clip, art = write_coded(tmp_path / "clip.mp4", 4.0), cover(tmp_path / "cover.mkv")
    path = with_tracks(tmp_path / "song.mp4", (art, "video", COVER), (clip, "audio", DEFAULT))
    with pytest.raises(MediaError, match="no video track"):
        decode_clip(path, 4)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("place", [0, 2])
def test_a_track_that_outlasts_the_picture_is_no_damage(tmp_path: Path, suffix: str, place: int) -> None:
    """A second sound, before or behind the tracks that are taken; the clip ends with those."""
    clip, longer = write_coded(tmp_path / "clip.mp4", 4.0), write_coded(tmp_path / "longer.mp4", 12.0)
    tracks = [(clip, "video", DEFAULT), (clip, "audio", DEFAULT)]
    tracks.insert(place, (longer, "audio", 0))
    path = with_tracks(tmp_path / f"outlasted{suffix}", *tracks)
    assert_synchronous(decode_clip(path, 4, 4.0, 96))
    assert_synchronous(decode_clip(path, 4, None, 96))


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("place", [0, 2])
def test_a_subtitle_may_come_first_and_last_longer(tmp_path: Path, suffix: str, place: int) -> None:
    clip, texts = write_coded(tmp_path / "clip.mkv", 4.0, options=BETWEEN), tmp_path / "texts.srt"
    texts.write_text("1\n00:00:01,000 --> 00:00:03,000\nHello\n\n2\n00:00:03,500 --> 00:00:17,000\nBye\n")
    if not shutil.which("ffmpeg"):
        pytest.skip("ffmpeg is not on this machine, and nothing else here writes subtitles")
    path = tmp_path / f"titled{suffix}"
    order = ["0:v", "0:a"]
    order.insert(place, "1:s")
    maps = [part for track in order for part in ("-map", track)]
    codec = "mov_text" if suffix == ".mp4" else "srt"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", clip, "-i", texts, *maps, "-c:v", "copy", "-c:a", "copy", "-c:s", codec, path],
        check=True,
    )
    assert_synchronous(decode_clip(path, 4, 4.0, 96))
    assert_synchronous(decode_clip(path, 4, None, 96))


# What is in no file


def test_a_format_that_is_not_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "moving.gif"
    path.write_bytes(b"GIF89a\x01\x00\x01\x00\x00\x00\x00;")
    with pytest.raises(MediaError, match=r"moving\.gif: it is in none of the formats that are read \(mov, mp4"):
        decode_clip(path, 1)
