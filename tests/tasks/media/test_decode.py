"""Decoding against clips that the tests encode themselves: what is in place, and what a bad file becomes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.vocabulary import SAMPLE_RATE
from tasks.media.decode import decode_clip
from tasks.media.encode import encode_clip
from tasks.media.errors import MediaError
from tasks.media.sampling import Sampling

SIDE = 32


def grey_steps(count: int) -> np.ndarray:
    """Frames whose brightness tells their number: 20, 22, 24, …"""
    levels = np.arange(count, dtype=np.uint8) * 2 + 20
    return np.broadcast_to(levels[:, None, None, None], (count, SIDE, SIDE, 3)).copy()


def tone(seconds: float, rate: int = SAMPLE_RATE, onset: float = 0.0) -> np.ndarray:
    """A 440 Hz tone of amplitude .5 that begins at `onset`."""
    time = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * 440 * time) * (time >= onset)).astype(np.float32)


def levels(frames: torch.Tensor) -> np.ndarray:
    """The number of each decoded frame, from its brightness."""
    return (frames.float().mean(dim=(1, 2, 3)).numpy() - 20) / 2


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "whole.mp4"
    encode_clip(path, grey_steps(80), 8, tone(10, onset=3.2))
    return path


def test_frames_come_from_the_middle_of_each_segment(whole: Path) -> None:
    clip = decode_clip(whole, 10)
    assert clip.frames.shape == (10, 3, SIDE, SIDE)
    assert clip.frames.dtype == torch.uint8
    np.testing.assert_allclose(levels(clip.frames), np.arange(10) * 8 + 4, atol=0.9)


def test_sound_is_in_place_within_50_ms(whole: Path) -> None:
    clip = decode_clip(whole, 10)
    assert clip.waveform.shape == (10, SAMPLE_RATE)
    onset = int(np.argmax(np.abs(clip.waveform.reshape(-1).numpy()) > 0.1)) / SAMPLE_RATE
    assert abs(onset - 3.2) < 0.05


def test_a_clip_may_begin_inside_the_file(whole: Path) -> None:
    clip = decode_clip(whole, 4, seconds=4, start=2)
    np.testing.assert_allclose(levels(clip.frames), np.arange(2, 6) * 8 + 4, atol=0.9)
    onset = int(np.argmax(np.abs(clip.waveform.reshape(-1).numpy()) > 0.1)) / SAMPLE_RATE
    assert abs(onset - 1.2) < 0.05
    rest = decode_clip(whole, 2, start=8)
    np.testing.assert_allclose(levels(rest.frames), [68, 76], atol=0.9)


def test_a_clip_that_would_begin_after_the_end_is_named(whole: Path) -> None:
    with pytest.raises(MediaError, match=r"whole\.mp4: it ends before 12 s"):
        decode_clip(whole, 4, seconds=4, start=12)


def test_colours_survive(tmp_path: Path) -> None:
    colours = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200], [200, 200, 40]], np.uint8)
    frames = np.repeat(colours, 4, axis=0)[:, None, None, :].repeat(SIDE, 1).repeat(SIDE, 2)
    encode_clip(tmp_path / "c.mp4", frames, 4, None)
    decoded = decode_clip(tmp_path / "c.mp4", 4).frames.float().mean(dim=(2, 3)).numpy()
    np.testing.assert_allclose(decoded, colours, atol=8)


def test_size_makes_square_pictures(tmp_path: Path) -> None:
    encode_clip(tmp_path / "wide.mp4", np.zeros((8, 32, 64, 3), np.uint8), 8, None)
    assert decode_clip(tmp_path / "wide.mp4", 2).frames.shape == (2, 3, 32, 64)
    assert decode_clip(tmp_path / "wide.mp4", 2, size=24).frames.shape == (2, 3, 24, 24)


def test_stereo_at_44_khz_becomes_the_mean_of_both_channels_at_16_khz(tmp_path: Path) -> None:
    left = tone(3, 44_100)
    encode_clip(tmp_path / "s.mp4", grey_steps(24), 8, np.stack([left, np.zeros_like(left)]), rate=44_100)
    sound = decode_clip(tmp_path / "s.mp4", 3).waveform[1].numpy()
    spectrum = np.abs(np.fft.rfft(sound))
    assert int(spectrum.argmax()) == 440
    assert sound.std() == pytest.approx(0.5 / np.sqrt(2) / 2, rel=0.05)


def test_any_frame_rate_is_read_by_time(tmp_path: Path) -> None:
    encode_clip(tmp_path / "odd.mp4", grey_steps(75), Fraction(15, 2), tone(10))
    shown = levels(decode_clip(tmp_path / "odd.mp4", 10).frames)
    np.testing.assert_allclose(shown, np.floor((np.arange(10) + 0.5) * 7.5), atol=0.9)


def test_a_short_file_holds_its_last_frame_and_falls_silent(tmp_path: Path) -> None:
    encode_clip(tmp_path / "short.mp4", grey_steps(32), 8, tone(4))
    clip = decode_clip(tmp_path / "short.mp4", 10, seconds=10)
    np.testing.assert_allclose(levels(clip.frames), [4, 12, 20, 28, *[31] * 6], atol=0.9)
    loudness = clip.waveform.std(dim=1)
    assert (loudness[:4] > 0.2).all()
    assert (loudness[5:] == 0).all()


def test_what_lies_beyond_the_clip_is_left_out(whole: Path) -> None:
    clip = decode_clip(whole, 4, seconds=4)
    np.testing.assert_allclose(levels(clip.frames), [4, 12, 20, 28], atol=0.9)
    assert clip.waveform[3].std() > 0.2


def test_windows_surround_the_frames_of_a_long_clip(whole: Path) -> None:
    """Five segments of two seconds: the windows are centred on 1, 3, 5, 7 and 9 s."""
    clip = decode_clip(whole, 5)
    np.testing.assert_allclose(levels(clip.frames), [8, 24, 40, 56, 72], atol=0.9)
    onset = int(np.argmax(np.abs(clip.waveform[1].numpy()) > 0.1)) / SAMPLE_RATE
    assert abs(onset - (3.2 - 2.5)) < 0.05
    assert clip.waveform[0].std() < 0.01


def test_window_length_is_free(whole: Path) -> None:
    waveform = decode_clip(whole, 10, sampling=Sampling(window=1.5)).waveform
    assert waveform.shape == (10, 24_000)
    # The last window would reach to 10.25 s and is moved inside, so that it has no silent end.
    assert waveform[9, -1000:].std() > 0.2


def test_no_sound_track_is_silence_and_flagged(tmp_path: Path, whole: Path) -> None:
    encode_clip(tmp_path / "mute.mp4", grey_steps(16), 8, None)
    clip = decode_clip(tmp_path / "mute.mp4", 2)
    assert not clip.has_sound
    assert decode_clip(whole, 2).has_sound
    assert clip.waveform.shape == (2, SAMPLE_RATE)
    assert (clip.waveform == 0).all()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("index_first", [True, False])
def test_a_truncated_file_is_named_in_one_line(whole: Path, tmp_path: Path, share: float, index_first: bool) -> None:
    data = (index_moved_to_front(whole, tmp_path) if index_first else whole).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: int(len(data) * share)])
    assert_one_line(path)


def test_a_track_that_ends_early_is_damaged(whole: Path, tmp_path: Path) -> None:
    """A Matroska file that breaks off decodes without an error; only its header tells."""
    full, cut = tmp_path / "full.mkv", tmp_path / "cut.mkv"
    with av.open(str(whole)) as source, av.open(str(full), "w") as target:
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    data = full.read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    assert decode_clip(full, 10).frames.shape[0] == 10
    assert_one_line(cut)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"this is a text file\n" * 50,
        b"#EXTM3U\n#EXTINF:10,\nother.mp4\n",
        b"ffconcat version 1.0\nfile whole.mp4\n",
    ],
    ids=["empty", "text", "play list", "concatenation"],
)
def test_a_file_that_is_no_video_is_named_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "fake.mp4").write_bytes(content)
    assert_one_line(tmp_path / "fake.mp4")


def test_a_list_of_other_files_is_not_followed(tmp_path: Path, whole: Path) -> None:
    (tmp_path / "whole.mp4").write_bytes(whole.read_bytes())
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile whole.mp4\n")
    assert_one_line(tmp_path / "list.mp4")


def test_sound_alone_is_no_clip(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone(1)[None], format="fltp", layout="mono")
        frame.rate = SAMPLE_RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(MediaError, match="no video track"):
        decode_clip(path, 1)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"gone\.mp4 is missing"):
        decode_clip(tmp_path / "gone.mp4", 10)


def test_a_name_that_ffmpeg_could_read_as_an_address(tmp_path: Path, whole: Path) -> None:
    path = tmp_path / "http:%d-clip.mp4"
    path.write_bytes(whole.read_bytes())
    assert decode_clip(path, 2).frames.shape[0] == 2


def test_nothing_is_logged(tmp_path: Path, whole: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole.read_bytes()[:-200])
    assert_one_line(path)
    assert capfd.readouterr() == ("", "")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_give_a_clip_or_a_media_error(whole: Path, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(whole.read_bytes())
    places = st.integers(0, len(content) - 1)
    for _ in range(data.draw(st.integers(1, 8), label="places")):
        place = data.draw(places)
        noise = data.draw(st.binary(min_size=1, max_size=40))
        content[place : place + len(noise)] = noise
    path = tmp_path / "noise.mp4"
    path.write_bytes(content)
    if (message := failure(path)) is None:
        clip = decode_clip(path, 10, seconds=10)
        assert clip.frames.shape[:2] == (10, 3)
        assert clip.waveform.shape == (10, SAMPLE_RATE)
        assert clip.waveform.isfinite().all()
    else:
        assert str(path) in message
        assert "\n" not in message


def failure(path: Path) -> str | None:
    """What decoding complains of; any other exception than `MediaError` goes on."""
    try:
        decode_clip(path, 10, seconds=10)
    except MediaError as error:
        return str(error)
    return None


def assert_one_line(path: Path) -> None:
    with pytest.raises(MediaError) as caught:
        decode_clip(path, 10)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def index_moved_to_front(path: Path, folder: Path) -> Path:
    """The same streams with the index before the media, as players on the web want it."""
    moved = folder / "front.mp4"
    with av.open(str(path)) as source, av.open(str(moved), "w", options={"movflags": "+faststart"}) as target:
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    return moved
