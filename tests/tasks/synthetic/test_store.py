"""The embedded world is what its version says, whatever becomes of its sources; rendered clips are read as drawn."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from tasks.synthetic import dataset, store
from tasks.synthetic.questions import ANSWERS, ask, words
from tasks.synthetic.scene import Kind, make_scene
from tasks.synthetic.source import SyntheticEventSource

Moments = tuple[float, float, float]
RECORDED_VERSION = 1
"""A change of these numbers is a new world: raise `tasks.synthetic.store.VERSION` with it."""
CLIPS: dict[tuple[Kind, int], tuple[Moments, Moments]] = {
    ("event", 0): ((66.4637044, 37.4801218, -2.90684194), (-0.451666667, 915.000736, -0.0992233404)),
    ("event", 1): ((75.550076, 40.1721271, -0.154185268), (-1.1854375, 739.688467, 0.165258075)),
    ("event", 10_000_003): ((93.8777669, 30.3099777, 1.407613), (0.116520833, 3585.14325, -0.103080394)),
    ("ensemble", 0): ((86.6885851, 28.8504496, 2.15971004), (0.05253125, 3636.32646, 0.238091597)),
    ("ensemble", 5): ((59.113878, 29.9252994, 2.27021665), (-0.124291667, 2630.38504, -0.105035247)),
    ("ensemble", 20_000_002): ((90.3797743, 21.2889165, -0.556136575), (0.432239583, 3509.35783, 0.531962954)),
}
"""Of frames and of sound: mean, deviation, and the mean with a weight that grows from -1 to 1 along the values."""
LABELS = {0: [8, 0, 0, 0, 8, 8], 1: [2, 2, 2, 2, 8, 8], 10_000_003: [8, 8, 2, 2, 2, 2]}
QUESTIONS = {(0, 2): 391910239, (0, 4): 643917872, (5, 2): 4215319094, (20_000_002, 4): 739699841}
"""By scene and repeats: a checksum of kinds, texts and answers."""
VOCABULARY = 1973176328
SIZES = {
    "event": {"train": 1024, "validation": 256, "test": 512},
    "ensemble": {"train": 1536, "validation": 256, "test": 512},
}
FIRST_SEED = {"train": 0, "validation": 10_000_000, "test": 20_000_000}


def moments(values: np.ndarray) -> Moments:
    flat = values.astype(np.float64).ravel()
    return flat.mean(), flat.std(), flat @ np.linspace(-1, 1, flat.size) / flat.size


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


def test_labels_and_questions_are_as_recorded() -> None:
    assert {seed: make_scene(seed).labels().tolist() for seed in LABELS} == LABELS
    for (seed, repeats), checksum in QUESTIONS.items():
        asked = ask(make_scene(seed, kind="ensemble"), seed=0, repeats=repeats)
        lines = "\n".join(f"{question.kind}|{question.text}|{question.answer}" for question in asked)
        assert zlib.crc32(lines.encode()) == checksum
    assert zlib.crc32(" ".join([*words(), *ANSWERS]).encode()) == VOCABULARY


def test_splits_are_as_recorded() -> None:
    assert (store.SIZES, store.FIRST_SEED) == (SIZES, FIRST_SEED)
    assert (dataset.QUESTIONS, dataset.TRAINING_REPEATS, dataset.TRAINING_QUESTIONS) == (18, 4, 26)


def test_clips_are_rendered_once_and_read_as_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVBENCH_CACHE", str(tmp_path))
    monkeypatch.setitem(store.SIZES, "event", {"train": 40, "validation": 2, "test": 3})
    told: list[tuple[int, int]] = []
    store.prepare("event", lambda *of: told.append(of))
    assert told == [(32, 45), (40, 45), (42, 45), (45, 45)]
    store.prepare("event", lambda *of: pytest.fail("rendered again"))
    for split, index in (("train", 0), ("train", 39), ("validation", 1), ("test", 2)):
        drawn = store.render("event", store.FIRST_SEED[split] + index)
        for read, expected in zip(store.read("event", split, index), drawn, strict=True):
            assert read.dtype == expected.dtype
            np.testing.assert_array_equal(read, expected)
