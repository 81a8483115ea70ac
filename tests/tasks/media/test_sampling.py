"""The papers' moments: hand-computed from LAVISH's loader (MUSIC-AVQA: windows of 1.95 s, AVE: of one second)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from registry.errors import UserError
from registry.vocabulary import SAMPLE_RATE
from tasks.media.decode import decode_clip
from tasks.media.encode import encode_clip
from tasks.media.frames import read_frames
from tasks.media.sampling import Sampling, find_sampling, published_starts

GOLDEN = Path(__file__).parents[2] / "golden" / "lavish" / "audio_frontend.npz"
AVQA, AVE = Sampling("published", 1.95), Sampling("published")


def ramp(seconds: float) -> np.ndarray:
    """Sound whose value tells the sample's place, from 0 to .9."""
    return np.linspace(0, 0.9, round(seconds * SAMPLE_RATE)).astype(np.float32)


def test_windows_of_a_minute_begin_where_the_papers_code_cuts_them() -> None:
    """960,000 samples: 927,200 divided into nine, fractions cut off; the last window ends at 958,400."""
    starts = [0, 103_022, 206_044, 309_066, 412_088, 515_111, 618_133, 721_155, 824_177, 927_200]
    assert published_starts(960_000, 10, 1.95).tolist() == starts
    assert published_starts(160_000, 10).tolist() == [int(i * 142_400 / 9) for i in range(10)]


@pytest.mark.parametrize(("task", "seconds"), [("ave", 1.0), ("avqa", 1.95)])
def test_starts_are_those_recorded_from_the_papers_code(task: str, seconds: float) -> None:
    golden = np.load(GOLDEN)
    starts = golden[f"start_samples/{task}"]
    assert published_starts(len(golden["input/pcm16"]), len(starts), seconds).tolist() == starts.tolist()


@pytest.mark.parametrize(("samples", "last"), [(32_799, 0), (32_800, 0), (32_809, 9)])
def test_sound_that_is_hardly_longer_than_a_window_is_taken_from_its_beginning(samples: int, last: int) -> None:
    assert published_starts(samples, 10, 1.95).tolist() == [last * i // 9 for i in range(10)]


def test_frame_folders_show_the_numbers_that_the_papers_code_takes(
    tmp_path: Path, write_pictures: Callable[..., None], write_wav: Callable[..., None]
) -> None:
    """Of 60 pictures 1, 7, 14, 20, 27, 33, 40, 46, 53 and 60: linspace(1, 60, 10) without its fractions."""
    write_pictures(tmp_path / "f", 60)
    sound = ramp(60)
    write_wav(tmp_path / "s.wav", sound[None])
    clip = read_frames(tmp_path / "f", tmp_path / "s.wav", 10, sampling=AVQA)
    shown = clip.frames.float().mean(dim=(1, 2, 3)).numpy() / 2
    np.testing.assert_allclose(shown, [1, 7, 14, 20, 27, 33, 40, 46, 53, 60], atol=0.6)
    assert clip.waveform.shape == (10, 31_200)
    for start, window in zip(published_starts(960_000, 10, 1.95), clip.waveform.numpy(), strict=True):
        np.testing.assert_allclose(window, sound[start : start + 31_200], atol=1e-4)


def test_windows_lie_in_all_the_sound_of_a_file_that_is_longer_than_its_clip(
    tmp_path: Path, write_pictures: Callable[..., None], write_wav: Callable[..., None]
) -> None:
    write_pictures(tmp_path / "f", 10)
    sound = ramp(10.5)
    write_wav(tmp_path / "s.wav", sound[None])
    windows = read_frames(tmp_path / "f", tmp_path / "s.wav", 10, seconds=10, sampling=AVE).waveform
    np.testing.assert_allclose(windows[9, 0], sound[168_000 - 17_600], atol=1e-4)


def test_a_video_shows_its_first_and_last_frame_and_is_heard_at_the_published_starts(tmp_path: Path) -> None:
    levels = (np.arange(80, dtype=np.uint8) * 2 + 20)[:, None, None, None]
    time = np.arange(10 * SAMPLE_RATE) / SAMPLE_RATE
    sound = (0.5 * np.sin(2 * np.pi * 440 * time) * (time >= 8.89)).astype(np.float32)
    encode_clip(tmp_path / "c.mp4", levels.repeat(32, 1).repeat(32, 2).repeat(3, 3), 8, sound)
    clip = decode_clip(tmp_path / "c.mp4", 10, 10, sampling=AVE)
    shown = (clip.frames.float().mean(dim=(1, 2, 3)).numpy() - 20) / 2
    np.testing.assert_allclose(shown, [int(i * 80 / 9) for i in range(9)] + [79], atol=0.9)
    # The last window begins at 8.9 s, the one before at 7.91 s and so hears the tone's first hundredths.
    assert clip.waveform[9].std() > 0.3
    assert clip.waveform[9, :400].std() > 0.2
    onset = int(np.argmax(np.abs(clip.waveform[8].numpy()) > 0.1)) / SAMPLE_RATE
    assert onset == pytest.approx(8.89 - int(8 * 142_400 / 9) / SAMPLE_RATE, abs=0.05)


def test_a_video_that_goes_on_after_its_clip_shows_nothing_of_that(tmp_path: Path) -> None:
    levels = (np.arange(40, dtype=np.uint8) * 2 + 20)[:, None, None, None]
    encode_clip(tmp_path / "c.mp4", levels.repeat(32, 1).repeat(32, 2).repeat(3, 3), 8, None)
    last = decode_clip(tmp_path / "c.mp4", 3, 3, sampling=AVE).frames[2]
    assert (float(last.float().mean()) - 20) / 2 == pytest.approx(23, abs=0.9)


def test_short_sound_is_followed_by_silence(
    tmp_path: Path, write_pictures: Callable[..., None], write_wav: Callable[..., None]
) -> None:
    write_pictures(tmp_path / "f", 3)
    write_wav(tmp_path / "s.wav", np.full((1, SAMPLE_RATE), 0.5, np.float32))
    windows = read_frames(tmp_path / "f", tmp_path / "s.wav", 3, sampling=AVQA).waveform
    assert torch.equal(windows[0], windows[2])
    assert (windows[:, :SAMPLE_RATE] > 0.4).all()
    assert (windows[:, SAMPLE_RATE:] == 0).all()


def test_an_unknown_rule_is_named() -> None:
    with pytest.raises(UserError, match=r"unknown sampling 'publisched'. Did you mean published\?"):
        find_sampling("publisched", 1.0)
