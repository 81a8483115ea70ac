"""Writers of the files that these tests read."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from registry.vocabulary import SAMPLE_RATE
from tasks.media.encode import encode_clip


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


@pytest.fixture(scope="session")
def ave(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in AVE's layout: c0 … c5 in `videos/`, two to a split."""
    root = tmp_path_factory.mktemp("ave")
    (root / "videos").mkdir()
    rng = np.random.default_rng(0)
    lines = []
    for number in range(6):
        frames = rng.integers(0, 256, (20, 1, 1, 3), np.uint8).repeat(48, 1).repeat(64, 2)
        sound = 0.3 * np.sin(np.arange(10 * SAMPLE_RATE) * (number + 1) / 20).astype(np.float32)
        encode_clip(root / "videos" / f"c{number}.mp4", frames, 2, sound)
        lines.append(f"{['dog', 'cat'][number % 2]}&c{number}&good&{number}&9")
    (root / "Annotations.txt").write_text("\n".join(lines) + "\n")
    for name, part in (("trainSet.txt", lines[:2]), ("valSet.txt", lines[2:4]), ("testSet.txt", lines[4:])):
        (root / name).write_text("\n".join(part) + "\n")
    return root
