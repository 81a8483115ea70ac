"""Frame folders with a sound file beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from registry.vocabulary import SAMPLE_RATE
from tasks.media.errors import MediaError
from tasks.media.frames import read_frames, read_sound

Write = Callable[..., None]


def numbers(frames: torch.Tensor) -> np.ndarray:
    return frames.float().mean(dim=(1, 2, 3)).numpy() / 2


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_pictures_are_spread_over_the_clip(tmp_path: Path, suffix: str, write_pictures: Write) -> None:
    write_pictures(tmp_path / "f", 80, suffix)
    clip = read_frames(tmp_path / "f", None, 10)
    assert clip.frames.shape == (10, 3, 24, 40)
    np.testing.assert_allclose(numbers(clip.frames), np.arange(10) * 8 + 5, atol=0.6)
    assert not clip.has_sound


def test_numbers_without_leading_zeros_are_in_order(tmp_path: Path, write_pictures: Write) -> None:
    write_pictures(tmp_path / "f", 20, digits=1)
    np.testing.assert_allclose(numbers(read_frames(tmp_path / "f", None, 4).frames), [3, 8, 13, 18], atol=0.6)


def test_colours_are_red_green_blue(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    blue_green_red = np.full((24, 24, 3), (30, 90, 210), np.uint8)
    cv2.imwrite(str(tmp_path / "f" / "0001.jpg"), blue_green_red)
    decoded = read_frames(tmp_path / "f", None, 1, size=16).frames
    assert decoded.shape == (1, 3, 16, 16)
    np.testing.assert_allclose(decoded[0].float().mean(dim=(1, 2)), [210, 90, 30], atol=4)


def test_sound_is_cut_into_seconds(tmp_path: Path, write_pictures: Write, write_wav: Write) -> None:
    write_pictures(tmp_path / "f", 4)
    steps = np.repeat(np.arange(4) / 8, SAMPLE_RATE).astype(np.float32)
    write_wav(tmp_path / "s.wav", steps[None])
    clip = read_frames(tmp_path / "f", tmp_path / "s.wav", 4)
    assert clip.has_sound
    np.testing.assert_allclose(clip.waveform.mean(dim=1), np.arange(4) / 8, atol=1e-3)


def test_short_sound_falls_silent(tmp_path: Path, write_pictures: Write, write_wav: Write) -> None:
    write_pictures(tmp_path / "f", 4)
    write_wav(tmp_path / "s.wav", np.full((1, 2 * SAMPLE_RATE), 0.25, np.float32))
    clip = read_frames(tmp_path / "f", tmp_path / "s.wav", 4, seconds=4)
    np.testing.assert_allclose(clip.waveform.mean(dim=1), [0.25, 0.25, 0, 0], atol=1e-3)


def test_wav_is_resampled_and_mixed_down(tmp_path: Path, write_wav: Write) -> None:
    channels = np.stack([np.full(44_100, 0.5, np.float32), np.full(44_100, 0.1, np.float32)])
    write_wav(tmp_path / "s.wav", channels, rate=44_100)
    sound = read_sound(tmp_path / "s.wav")
    assert len(sound) == pytest.approx(SAMPLE_RATE, abs=20)
    assert sound[1000:15_000].mean() == pytest.approx(0.3, abs=1e-3)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    with pytest.raises(MediaError, match=r"holds no \.jpg"):
        read_frames(tmp_path / "f", None, 10)


@pytest.mark.parametrize("content", [b"", b"text", b"\xff\xd8\xff\xe0"], ids=["empty", "text", "header only"])
@pytest.mark.parametrize("name", ["f/0001.jpg", "f/0001.png", "s.wav"])
def test_a_damaged_file_is_named_in_one_line(tmp_path: Path, name: str, content: bytes, write_wav: Write) -> None:
    write_wav(tmp_path / "s.wav", np.zeros((1, SAMPLE_RATE), np.float32))
    (tmp_path / "f").mkdir()
    cv2.imwrite(str(tmp_path / "f" / "0002.jpg"), np.zeros((24, 24, 3), np.uint8))
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MediaError) as caught:
        read_frames(tmp_path / "f", tmp_path / "s.wav", 2)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)
