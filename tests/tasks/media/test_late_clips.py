"""Clips that begin late in a recording: those of a decoder that begins at the beginning, and sooner."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from coded_clips import heard_at, number, write_coded

import tasks.media.decode as decode
import tasks.media.tracks as tracks
from tasks.media.clip import Clip
from tasks.media.decode import decode_clip
from tasks.media.errors import MediaError

LATE: dict[str, tuple[str, str, dict[str, str], bool]] = {
    # Suffix, encoder, its options, whether AAC's own times tell every sample.
    "mp4": (".mp4", "libx264", {"g": "25"}, True),
    "mp4, few keys": (".mp4", "libx264", {"g": "100"}, True),
    "mp4, open groups": (".mp4", "libx264", {"g": "25", "x264-params": "open-gop=1:log-level=none"}, True),
    "mp4, renewed by and by": (".mp4", "libx264", {"g": "25", "intra-refresh": "1"}, True),
    "mp4 mpeg4": (".mp4", "mpeg4", {"g": "25", "bf": "2"}, True),
    "mkv": (".mkv", "libx264", {"g": "25"}, False),
    "mkv, open groups": (".mkv", "libx264", {"g": "25", "x264-params": "open-gop=1:log-level=none"}, False),
    "mkv, renewed by and by": (".mkv", "libx264", {"g": "25", "intra-refresh": "1"}, False),
    "webm": (".webm", "libvpx", {"g": "25"}, False),
    "ts": (".ts", "libx264", {"g": "25"}, False),
    "ts, renewed by and by": (".ts", "libx264", {"g": "25", "intra-refresh": "1"}, False),
    "mpg": (".mpg", "mpeg2video", {"g": "25", "bf": "2"}, False),
    "flv": (".flv", "libx264", {"g": "25"}, False),
    "avi": (".avi", "libx264", {"g": "25"}, False),
}


@pytest.mark.parametrize("kind", LATE)
@pytest.mark.parametrize("start", [4.96, 6.3])
def test_a_late_clip_is_that_of_a_decoder_that_begins_at_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, start: float
) -> None:
    """Pictures bit for bit; sound too where the container tells each sample's time, else within its rounding."""
    suffix, video, options, exact = LATE[kind]
    audio = {".avi": "pcm_s16le", ".mpg": "mp2", ".webm": "libopus"}.get(suffix, "flac" if exact else "aac")
    rate = 48_000 if suffix == ".webm" else 44_100
    path = write_coded(tmp_path / f"late{suffix}", 9.0, video, audio, rate, options=options)
    monkeypatch.setattr(tracks, "_NEAR", 2.0)
    monkeypatch.setattr(tracks, "_BETWEEN_KEYS", 3.0)
    late = decode_clip(path, 6, 2.0, start=start)
    monkeypatch.setattr(decode, "is_far", lambda *_: False)
    whole = decode_clip(path, 6, 2.0, start=start)
    torch.testing.assert_close(late.frames, whole.frames, rtol=0, atol=0)
    if exact:
        torch.testing.assert_close(late.waveform, whole.waveform, rtol=0, atol=0)
    heard = [(heard_at(a), heard_at(b)) for a, b in zip(late.waveform.numpy(), whole.waveform.numpy(), strict=True)]
    assert all(a is not None and b is not None and abs(a - b) < 0.03 for a, b in heard)


def test_what_lies_before_a_late_clip_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_coded(tmp_path / "late.mp4", 33.0, options={"g": "25", "bf": "0"})
    seen = []
    offer = decode.FramePicker.offer
    monkeypatch.setattr(decode.FramePicker, "offer", lambda self, *a: (seen.append(a[1]), offer(self, *a))[1])
    decode_clip(path, 2, 2.0, start=30.0)
    assert min(seen) >= 28.0


def packets_read(path: Path, start: float, monkeypatch: pytest.MonkeyPatch) -> tuple[int, Clip]:
    """How many packets a clip takes, and the clip."""
    read, timed = [], tracks.timed_packets
    monkeypatch.setattr(
        tracks, "timed_packets", lambda container: (read.append(packet) or packet for packet in timed(container))
    )
    clip = decode_clip(path, 2, 2.0, 96, start)
    monkeypatch.setattr(tracks, "timed_packets", timed)
    return len(read), clip


def test_a_broadcast_is_entered_near_a_late_clip_unless_its_clock_restarts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [write_coded(tmp_path / f"{i}.ts", 30.0, begin=30.0 * i, options={"g": "25"}) for i in range(2)]
    (tmp_path / "joined.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    one = write_coded(tmp_path / "one.ts", 60.0, options={"g": "25"})
    steady = packets_read(one, 56.0, monkeypatch)
    joined = packets_read(tmp_path / "joined.ts", 56.0, monkeypatch)
    assert steady[0] < joined[0] / 2
    # Sound begins a little before the first picture, and with it the file.
    for _, clip in (steady, joined):
        assert [number(frame) for frame in clip.frames.numpy()] == [1411, 1436]


def test_the_clock_of_a_stream_is_steady_or_not(tmp_path: Path) -> None:
    stream = write_coded(tmp_path / "one.ts", 6.0).read_bytes()
    packets = [stream[place : place + 188] for place in range(0, len(stream), 188)]
    contents = {
        "one.ts": (stream, True),
        "twice.ts": (stream + stream, False),
        "of a camera.m2ts": (b"".join(b"time" + packet for packet in packets), True),
        "cut.ts": (stream[: len(stream) // 2], True),
        "askew.ts": (stream[:1000] + stream[1001:], False),
        "short.ts": (stream[:3], False),
        "without a clock.ts": (b"\x47" + bytes(187), False),
        "another.mp4": (write_coded(tmp_path / "two.mp4", 1.0).read_bytes(), False),
    }
    for name, (content, steady) in contents.items():
        (tmp_path / name).write_bytes(content)
        assert tracks.is_steady(tmp_path / name) is steady, name


def test_avi_without_an_index_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = write_coded(tmp_path / "late.avi", 33.0, audio="pcm_s16le", options={"g": "25"})
    whole = decode_clip(path, 2, 2.0, start=30.0)
    path.write_bytes(path.read_bytes().replace(b"idx1", b"JUNK"))
    torch.testing.assert_close(decode_clip(path, 2, 2.0, start=30.0).frames, whole.frames, rtol=0, atol=0)


def test_an_index_that_leads_astray_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_coded(tmp_path / "late.mp4", 33.0, options={"g": "25"})
    right = decode_clip(path, 4, 2.0, start=30.0)
    astray = decode.packets_from
    monkeypatch.setattr(decode, "packets_from", lambda container, video, begin: astray(container, video, begin + 2))
    torch.testing.assert_close(decode_clip(path, 4, 2.0, start=30.0).frames, right.frames, rtol=0, atol=0)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_a_late_clip_beyond_the_end_is_named(tmp_path: Path, suffix: str) -> None:
    path = write_coded(tmp_path / f"short{suffix}", 4.0)
    for start in (12.0, 40.0):
        with pytest.raises(MediaError, match=f"it ends before {start:g} s"):
            decode_clip(path, 2, 2.0, start=start)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_that_ended_before_a_late_clip_is_silence(tmp_path: Path, suffix: str) -> None:
    path = write_coded(tmp_path / f"late{suffix}", 27.0, lost=(4.0, 99.0), options={"g": "25"})
    clip = decode_clip(path, 2, 2.0, start=24.0)
    assert [number(frame) for frame in clip.frames.numpy()] == [612, 637]
    assert not clip.waveform.any()
