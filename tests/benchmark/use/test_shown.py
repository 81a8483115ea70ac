from __future__ import annotations

import numpy as np
from shown_predictions import prediction

from benchmark.use.shown import CLASSES, envelope, plain, shown_classes, spectrum


def test_the_best_of_each_row_comes_first_and_not_all_are_shown() -> None:
    assert shown_classes(prediction()) == [0, 1, 2]
    rows = np.full((2, 30), 0.01, np.float32)
    rows[0, 20], rows[1, 7], rows[1, 3] = 0.5, 0.5, 0.4
    many = prediction(probabilities=rows, labels=tuple(map(str, range(30))), times=((0, 1), (1, 2)))
    assert shown_classes(many)[:3] == [20, 7, 3]
    assert len(shown_classes(many)) == CLASSES


def test_text_is_one_visible_line() -> None:
    assert plain("a\n\tb\x1b[0m\u202e\u00a0c") == "a b [0m c"
    assert plain("x" * 100, 11) == "xxxxx…xxxxx"
    assert len(plain("y" * 100)) == 48


def test_the_envelope_keeps_every_peak() -> None:
    wave = np.zeros(1000, np.float32)
    wave[123], wave[777] = 0.9, -0.8
    drawn = envelope(wave, 10)
    assert drawn.shape == (10, 2)
    assert (drawn[1, 1], drawn[7, 0]) == (np.float32(0.9), np.float32(-0.8))
    assert envelope(wave[:3], 10).shape == (3, 2)


def test_low_bands_are_below_and_segments_side_by_side() -> None:
    mels = np.zeros((2, 3, 4), np.float32)
    mels[1, 0, 0] = 5
    drawn = spectrum(mels)
    assert drawn.shape == (3, 8)
    assert np.argwhere(drawn == 1).tolist() == [[2, 4]]
    assert not spectrum(np.full((1, 2, 2), 3.0, np.float32)).any()
