"""Writers of the files that these tests read."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from registry.vocabulary import SAMPLE_RATE


@pytest.fixture
def write_wav() -> Callable[..., None]:
    """`write_wav(path, sound, rate=16000)`: (channels, samples) in [-1, 1] as 16-bit PCM."""
    return _write_wav


@pytest.fixture
def write_pictures() -> Callable[..., None]:
    """`write_pictures(folder, count, suffix=".jpg", digits=4)`: grey pictures of brightness 2, 4, …, from 1 on."""
    return _write_pictures


def _write_wav(path: Path, sound: np.ndarray, rate: int = SAMPLE_RATE) -> None:
    """(channels, samples) in [-1, 1] as 16-bit PCM."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(sound))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((sound.T * 32767).astype("<i2").tobytes())


def _write_pictures(folder: Path, count: int, suffix: str = ".jpg", digits: int = 4) -> None:
    """Grey pictures of brightness 2, 4, 6, …, numbered from 1."""
    folder.mkdir(parents=True)
    for number in range(1, count + 1):
        cv2.imwrite(str(folder / f"{number:0{digits}d}{suffix}"), np.full((24, 40, 3), number * 2, np.uint8))
