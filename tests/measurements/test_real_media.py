"""Clips out of real pictures and spoken names: which belong to one object, and that no object is in two splits."""

from __future__ import annotations

import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch

from tasks.datasets.manifest_clips import LabelledManifestClips
from tasks.datasets.manifest_events import ManifestEvents
from tasks.datasets.verify import verify

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def real_media() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ROOT / "measurements"))
    import real_media

    yield real_media
    sys.path.remove(str(ROOT / "measurements"))
    for name in ("real_media", "embedded_study"):
        sys.modules.pop(name, None)


def stamp(path: Path) -> None:
    """A red picture with transparent corners, and its name, spoken in two languages."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.zeros((40, 60, 4), np.uint8)
    picture[10:30, 10:50] = (0, 0, 255, 255)
    cv2.imwrite(str(path), picture)
    for language in ("", "_fr"):
        # The reader takes sound by its content.
        with wave.open(str(path.with_name(f"{path.stem}_desc{language}.ogg")), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes((9000 * np.sin(np.arange(16_000) / 9)).astype("<i2").tobytes())


@pytest.fixture(scope="module")
def stamps(tmp_path_factory: pytest.TempPathFactory, real_media: ModuleType) -> Path:
    root = tmp_path_factory.mktemp("stamps")
    for folder in real_media.CLASSES.values():
        for name in ("ant", "bat", "cod", "dog", "dog_small", "elk", "fox", "redfox", "gnu", "hen"):
            stamp(root / folder / f"{name}.png")
        stamp(root / folder / "cartoon" / "drawn.png")
    return root


def test_pictures_that_share_a_word_show_one_object(real_media: ModuleType, stamps: Path) -> None:
    things = real_media.things_of(stamps, "bird", "animals/birds")
    assert {tuple(picture.stem for picture in thing.pictures) for thing in things} == {
        ("ant",), ("bat",), ("cod",), ("dog", "dog_small"), ("elk",), ("fox", "redfox"), ("gnu",), ("hen",),
    }  # fmt: skip
    assert all(len(thing.names) == 2 * len(thing.pictures) for thing in things)


def test_no_object_is_in_two_splits(real_media: ModuleType, stamps: Path) -> None:
    drawn = list(real_media.splits_of(stamps, 3))
    assert len({(thing.label, thing.name) for _, thing in drawn}) == len(drawn)
    counts = {split: sum(one == split for one, _ in drawn) for split in real_media.SPLITS}
    assert counts == {split: 12 * count for split, count in real_media.SPLITS.items()}


def test_a_class_with_too_few_objects_is_named(real_media: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"birds has 0 objects, expected 7"):
        list(real_media.splits_of(tmp_path, 0))


def test_clips_show_and_speak_when_their_table_says(
    real_media: ModuleType, stamps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(real_media, "CLASSES", {"bird": "animals/birds", "fish": "animals/fish"})
    monkeypatch.setattr(real_media, "SPLITS", {"train": 2, "validation": 1, "test": 1})
    real_media.make_clips(stamps, tmp_path)
    things, events = LabelledManifestClips(tmp_path / "things.csv", 1), ManifestEvents(tmp_path / "events.csv", 2)
    for source in (things, events):
        found = verify(source, "full", 0)
        assert not found.faults
        assert not any(source.shared_groups().values())
    for split in ("train", "validation", "test"):
        for item in events.clips(split):
            frames = item["inputs"]["frames"].float()
            seen = (frames - frames[:, :, :1, :1]).abs().amax((1, 2, 3)) > 60
            heard = item["inputs"]["waveform"].abs().amax(1) > 0.1
            assert torch.equal(seen & heard, item["targets"]["labels"] < 2)
            assert not (seen | heard).logical_not().any()


@pytest.mark.real
def test_real_weights_tell_real_pictures_apart(real_media: ModuleType, tmp_path: Path) -> None:
    """Out of build/real: of 36 objects that no mean has seen, each class's mean of three tells more than twice chance's
    three with DINOv2 (as many come by chance three times in a hundred), and more than with random weights."""
    from benchmark import convert_weights

    onnx = next((real_media.PACKAGES).rglob("*.onnx"))
    assert convert_weights(str(onnx), real_media.MODEL, None, False).difference < 1e-4
    real_media.make_clips(real_media.PACKAGES / real_media.STAMPS, tmp_path)
    assert not verify(ManifestEvents(tmp_path / "events.csv", 2), "full", 0).faults
    right = {name: real_media.nearest_mean(tmp_path, weights) for name, weights in real_media.BACKBONES.items()}
    assert right["DINOv2"] > 2 / len(real_media.CLASSES)
    assert right["DINOv2"] > right["random"]
