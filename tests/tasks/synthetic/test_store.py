"""The embedded world is what its version says, whatever becomes of its sources; rendered clips are read as drawn."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from tasks.datasets.synthetic import SyntheticEventSource
from tasks.synthetic import dataset, store
from tasks.synthetic.questions import ANSWERS, ask, words
from tasks.synthetic.scene import CLASSES, Kind, make_scene

Moments = tuple[float, float, float]
RECORDED_VERSION = 1
"""A change of these numbers is a new world: raise `tasks.synthetic.store.VERSION` with it."""
CLIPS: dict[tuple[Kind, int], tuple[Moments, Moments]] = {
    ("event", 1): ((75.550076, 40.1721271, 0.345364815), (-1.1854375, 739.688467, 1.5740853)),
    ("event", 2): ((93.3984375, 29.4788058, 0.62185162), (-0.188177083, 5363.02996, 8.80570417)),
    ("event", 10): ((85.0020074, 35.1214928, 0.669310058), (-0.167854167, 3033.67111, 10.2665985)),
    ("event", 253): ((67.9057617, 25.9932104, 0.367121425), (0.65453125, 3828.8419, -12.144388)),
    ("event", 10_000_003): ((93.8777669, 30.3099777, 0.963283032), (0.116520833, 3585.14325, -1.25953162)),
    ("ensemble", 28): ((77.4671224, 33.3450859, 0.700260359), (1.26776042, 2655.12137, 1.66178558)),
    ("ensemble", 67): ((76.6284722, 25.279799, 0.566777524), (-0.523166667, 5627.65183, -0.219115174)),
    ("ensemble", 337): ((79.312066, 30.7768354, 0.382510801), (1.11934375, 2456.99674, -7.4125398)),
    ("ensemble", 20_000_002): ((90.3797743, 21.2889165, 0.624786341), (0.432239583, 3509.35783, 4.83100822)),
}
"""Of frames and of sound: mean, deviation, and the mean with random weights. Every class is seen and heard in some."""
LABELS = 1733335060
"""A checksum of the labels of the first scenes; of kinds, texts and answers of their questions by `repeats` below."""
QUESTIONS = {2: 1666526079, 4: 4227768417}
VOCABULARY = 1261565344
FIRST_SCENES = range(200)
SIZES = {
    "event": {"train": 1024, "validation": 256, "test": 512},
    "ensemble": {"train": 1536, "validation": 256, "test": 512},
}
FIRST_SEED = {"train": 0, "validation": 10_000_000, "test": 20_000_000}


def moments(values: np.ndarray) -> Moments:
    flat = values.astype(np.float64).ravel()
    return flat.mean(), flat.std(), flat @ np.random.default_rng(0).normal(size=flat.size) / flat.size


def checksum(lines: Iterable[str]) -> int:
    return zlib.crc32("\n".join(lines).encode())


def test_the_recorded_numbers_are_those_of_this_version() -> None:
    assert store.VERSION == RECORDED_VERSION
    assert store.identity() == SyntheticEventSource().identity() == f"synthetic@{RECORDED_VERSION}"


@pytest.mark.parametrize(("kind", "seed"), CLIPS)
def test_clips_are_drawn_as_recorded(kind: Kind, seed: int) -> None:
    """Processors may differ in a last bit of a sine, so in a value here and there."""
    frames, sound = store.render(kind, seed)
    assert (frames.dtype, frames.shape) == (np.uint8, (6, 3, 32, 32))
    assert (sound.dtype, sound.shape) == (np.int16, (6, 16_000))
    of_frames, of_sound = CLIPS[kind, seed]
    np.testing.assert_allclose(moments(frames), of_frames, rtol=0, atol=1e-3)
    np.testing.assert_allclose(moments(sound), of_sound, rtol=0, atol=2e-3)


def test_the_recorded_clips_show_and_sound_every_class() -> None:
    things = [thing for kind, seed in CLIPS for thing in make_scene(seed, kind=kind).things]
    assert {thing.category for thing in things if thing.seen} == set(range(len(CLASSES)))
    assert {thing.category for thing in things if thing.heard} == set(range(len(CLASSES)))


def test_labels_are_as_recorded() -> None:
    assert checksum(str(make_scene(seed).labels().tolist()) for seed in FIRST_SCENES) == LABELS


@pytest.mark.parametrize("repeats", QUESTIONS)
def test_questions_are_as_recorded(repeats: int) -> None:
    asked = (
        question
        for seed in FIRST_SCENES
        for question in ask(make_scene(seed, kind="ensemble"), seed=0, repeats=repeats)
    )
    assert checksum(f"{question.kind}|{question.text}|{question.answer}" for question in asked) == QUESTIONS[repeats]


def test_words_and_answers_are_as_recorded() -> None:
    assert checksum([*words(), *ANSWERS]) == VOCABULARY


def test_splits_are_as_recorded() -> None:
    assert (store.SIZES, store.FIRST_SEED) == (SIZES, FIRST_SEED)
    assert (dataset.QUESTIONS, dataset.TRAINING_REPEATS, dataset.TRAINING_QUESTIONS) == (18, 4, 26)


def test_clips_are_rendered_once_and_read_as_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVBENCH_CACHE", str(tmp_path))
    monkeypatch.setitem(store.SIZES, "event", {"train": 12, "validation": 2, "test": 3})
    told: list[tuple[int, int]] = []
    store.prepare("event", lambda *of: told.append(of))
    assert told == [(8, 17), (12, 17), (14, 17), (17, 17)]
    store.prepare("event", lambda *of: pytest.fail("rendered again"))
    for split, index in (("train", 0), ("train", 11), ("validation", 1), ("test", 2)):
        drawn = store.render("event", store.FIRST_SEED[split] + index)
        for read, expected in zip(store.read("event", split, index), drawn, strict=True):
            assert read.dtype == expected.dtype
            np.testing.assert_array_equal(read, expected)
