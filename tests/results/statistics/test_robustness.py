from __future__ import annotations

import numpy as np
import pytest

from registry.vocabulary import CLEAN, Condition, StressScores
from results.statistics.robustness import compare_drops, robustness_of

NO_SIGHT = Condition("no_sight", "no_sight", "", "visual")
NO_SOUND = Condition("no_sound", "no_sound", "", "audio")
OTHER = Condition("other_sound", "other_sound", "", "audio")
DARK = (
    Condition("dark_frames_60", "dark_frames", "60 %", "visual"),
    Condition("dark_frames_8", "dark_frames", "8 %", "visual"),
)
NAMES = tuple("abcdefgh")


def scores(*rows: list[float], conditions=(CLEAN, NO_SIGHT, NO_SOUND, OTHER, *DARK), version: int = 1) -> StressScores:
    nothing = ("",) * len(rows[0])
    return StressScores(NAMES[: len(rows[0])], nothing, nothing, conditions, np.array(rows), {}, version)


BOTH = [1, 1, 0, 0, 1, 1, 0, 0]
SOUND = [1, 0, 1, 0, 0, 0, 0, 1]
SIGHT = [1, 1, 1, 0, 0, 0, 0, 0]


def test_drops_and_modality_confusion_by_hand() -> None:
    found = robustness_of([(seed, scores(BOTH, SOUND, SIGHT, SOUND, BOTH, [0] * 8)) for seed in (0, 1)])
    assert found is not None
    assert (found.seeds, found.clean) == ((0, 1), 50.0)
    assert [(drop.condition.name, drop.score, drop.test.difference.mean) for drop in found.drops] == [
        ("no_sight", 37.5, 12.5),
        ("no_sound", 37.5, 12.5),
        ("other_sound", 37.5, 12.5),
        ("dark_frames_60", 50.0, 0.0),
        ("dark_frames_8", 0.0, 50.0),
    ]
    assert found.families["dark_frames"].mean == 25.0
    # Of eight items c and h are right with sound alone and wrong with both, c with sight, and c with either.
    assert found.confusion == (25.0, 12.5, 12.5)
    assert found.verdicts == ()


def test_what_changes_no_score_is_not_used() -> None:
    found = robustness_of([(0, scores(BOTH, BOTH, SIGHT, BOTH, BOTH, BOTH))])
    assert found is not None
    # Without sound scores do change; another clip's changes none, so that what it sounds like does not count.
    assert found.verdicts == ("does not use sound", "does not use sight")
    assert (found.drops[2].test.difference.low, found.drops[2].test.difference.high) == (0.0, 0.0)


def test_seeds_under_other_conditions_are_left_out() -> None:
    first = scores(BOTH, SOUND, SIGHT, SOUND, BOTH, BOTH)
    other = scores(BOTH, SOUND, SIGHT, SOUND, BOTH, BOTH, version=2)
    fewer = scores(BOTH, SOUND, conditions=(CLEAN, NO_SIGHT))
    found = robustness_of([(0, first), (1, other), (2, fewer), (3, first)])
    assert found is not None
    assert found.seeds == (0, 3)
    assert robustness_of([]) is None


def test_scores_between_right_and_wrong_count_with_what_both_lose() -> None:
    found = robustness_of([(0, scores([0.5, 0.5], [0.75, 0.25], [0.5, 1.0], conditions=(CLEAN, NO_SIGHT, NO_SOUND)))])
    assert found is not None
    assert found.confusion == pytest.approx((12.5, 25.0, 0.0))


def test_drops_of_two_rows_are_compared_item_by_item() -> None:
    first = robustness_of([(seed, scores(BOTH, SOUND, SIGHT, SOUND, BOTH, [0] * 8)) for seed in (0, 1)])
    second = robustness_of([(seed, scores(BOTH, BOTH, SIGHT, SOUND, BOTH, BOTH)) for seed in (0, 1)])
    found = {condition.name: (ours, theirs, test) for condition, ours, theirs, test in compare_drops(first, second)}
    assert found["dark_frames_8"][:2] == (50.0, 0.0)
    assert found["dark_frames_8"][2].difference.mean == 50.0
    assert found["no_sound"][2].difference.mean == 0.0
    assert compare_drops(first, None) == []
