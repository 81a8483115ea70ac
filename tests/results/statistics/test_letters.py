from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from results.statistics.letters import all_pairs, letters, told_apart
from results.statistics.significance import ALPHA, p_value


def test_letters_by_hand() -> None:
    assert letters(3, {(0, 2)}) == ["a", "ab", "b"]
    assert letters(3, set()) == ["a", "a", "a"]
    assert letters(3, {(0, 1), (0, 2), (1, 2)}) == ["a", "b", "c"]
    assert letters(0, set()) == []


pairs_of_six = st.sets(st.sampled_from(all_pairs(6)))


@given(pairs_of_six)
def test_two_rows_share_a_letter_if_and_only_if_they_are_not_told_apart(apart) -> None:
    found = letters(6, apart)
    for first, second in all_pairs(6):
        assert bool(set(found[first]) & set(found[second])) == ((first, second) not in apart)
    assert all(found)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000))
def test_a_useless_row_changes_no_verdict_between_others(seed: int) -> None:
    generator = np.random.default_rng(seed)
    levels = generator.uniform(0.55, 0.75, 5)
    scores = [(generator.random((3, 120)) < level).astype(float) for level in levels]
    useless = np.zeros((3, 120))

    rows = [*scores, useless]
    p_values = {(i, j): p_value(rows[i] - rows[j]) for i, j in all_pairs(6)}
    between_others = {pair: p for pair, p in p_values.items() if 5 not in pair}
    # Surely worse: with three seeds that happen to disagree even 60 points may not be.
    assume(all(p * len(p_values) < ALPHA for pair, p in p_values.items() if 5 in pair))
    more = told_apart(p_values)
    assert {pair for pair in more if 5 not in pair} == told_apart(between_others)
    assert {(i, 5) for i in range(5)} <= more


def test_holm_is_that_of_statsmodels() -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    generator = np.random.default_rng(0)
    for _ in range(20):
        raw = generator.uniform(0, 0.05, 15)
        theirs = multitest.multipletests(raw, alpha=ALPHA, method="holm")[0]
        pairs = all_pairs(6)
        ours = told_apart(dict(zip(pairs, raw.tolist(), strict=True)))
        assert [pair in ours for pair in pairs] == theirs.tolist()
