"""F-scores counted by hand; official values are in tests/golden/avs."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.parsing.metrics import clip_scores, event_counts, f_score, runs, segment_counts, split_scores


def on(*rows: str) -> np.ndarray:
    """Classes as rows of 0 and 1, a letter a second."""
    return np.array([[letter == "1" for letter in row] for row in rows])


NOTHING = on("0000000000", "0000000000")


def test_runs_begin_and_end_where_a_class_does():
    assert runs(on("1101110001")[0]).tolist() == [[0, 2], [3, 6], [9, 10]]
    assert runs(NOTHING[0]).tolist() == []
    assert runs(on("1111111111")[0]).tolist() == [[0, 10]]


def test_segments_by_hand():
    """Class 0: two of three seconds are found and one is made up; class 1 is missed for four seconds."""
    predicted, truth = on("0110100000", "0000000000"), on("0111000000", "0000001111")
    assert segment_counts(predicted, truth).tolist() == [[2, 1, 1], [0, 0, 4]]
    assert f_score(segment_counts(predicted, truth)) == pytest.approx((4 / 6 + 0) / 2)


def test_events_match_from_one_half_on():
    """Three of six seconds shared are one half; two of five are less; a gap of a second makes two events."""
    half, less = on("1110000000"), on("0011100000")
    assert event_counts(half, on("1111110000")).tolist() == [[1, 0, 0]]
    assert event_counts(less, on("1111000000")).tolist() == [[0, 1, 1]]
    assert event_counts(on("1101100000"), on("1111100000")).tolist() == [[0, 2, 1]]


def test_nothing_said_of_nothing_is_right_and_of_something_is_worth_nothing():
    truth = on("1100000000", "0000000000")
    for count in (segment_counts, event_counts):
        assert clip_scores(count, (NOTHING, NOTHING), (NOTHING, NOTHING)) == (1, 1, 1, 1)
        assert clip_scores(count, (NOTHING, NOTHING), (truth, NOTHING)) == (0, 1, 1, 0)
        assert clip_scores(count, (truth, NOTHING), (NOTHING, NOTHING)) == (0, 1, 1, 0)


def test_a_clip_by_hand():
    """Heard for four seconds and seen for two of them; found are two seconds heard and none seen."""
    heard, seen = on("1111000000"), on("1100000000")
    clip = clip_scores(segment_counts, (on("1100000000"), on("0000000000")), (heard, seen))
    assert clip.audio == pytest.approx(4 / 6)
    assert (clip.visual, clip.audio_visual) == (0, 0)
    assert clip.event_at_av == pytest.approx(2 * 2 / (2 * 2 + 0 + 2 + 2))
    assert clip.type_at_av == pytest.approx(4 / 18)
    assert split_scores([clip, clip_scores(segment_counts, (heard, seen), (heard, seen))]) == pytest.approx(
        {"audio": 500 / 6, "visual": 50, "audio_visual": 50, "type_at_av": 50 * (4 / 18 + 1), "event_at_av": 75}
    )
