from __future__ import annotations

import io

import numpy as np
import pytest

from registry.vocabulary import CLEAN, Condition, ItemScore, StressScores
from results.store.merged import Merged
from results.store.serialise import RecordError
from results.store.store import Store
from results.store.stress import stress_from_bytes, stress_to_bytes

DARK = Condition("dark_frames_60", "dark_frames", "60 %", "visual")
STRESS = StressScores(
    ("x", "y"), ("k", ""), ("", "g"), (CLEAN, DARK), np.array([[1.0, 0.5], [0.0, 0.25]]), {"no_sight": "it needs sight"}
)


def test_scores_under_conditions_are_read_back(record, tmp_path) -> None:
    store = Store(tmp_path)
    store.write(record())
    before = store.fingerprint()
    store.write_stress(record().hash, STRESS)
    merged = Merged([store])
    merged.load()
    for source in (store, merged):
        found = source.stress(record().hash)
        assert found is not None
        assert found.of("clean") == [ItemScore("x", 1.0, "k", ""), ItemScore("y", 0.5, "", "g")]
        assert found.of(DARK.name) == [ItemScore("x", 0.0, "k", ""), ItemScore("y", 0.25, "", "g")]
        assert (found.conditions, found.left_out) == (STRESS.conditions, STRESS.left_out)
        assert source.stress("another") is None
    assert store.fingerprint() != before


def test_what_was_changed_torn_or_of_another_run_is_told_by_its_place() -> None:
    content = stress_to_bytes(STRESS, "a")
    assert content == stress_to_bytes(STRESS, "a")
    with pytest.raises(RecordError, match=r"^here: .*it is of run 'a'"):
        stress_from_bytes(content, "here", "b")
    with pytest.raises(RecordError, match=r"^here: "):
        stress_from_bytes(content[:-60], "here", "a")
    with np.load(io.BytesIO(content)) as arrays:
        known = dict(arrays)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{**known, "scores": known["scores"] + 1})
    with pytest.raises(RecordError, match="its digest is another"):
        stress_from_bytes(buffer.getvalue(), "here", "a")


def test_a_link_is_not_followed(record, tmp_path) -> None:
    store = Store(tmp_path)
    (tmp_path / "elsewhere").write_bytes(stress_to_bytes(STRESS, "a"))
    (tmp_path / "stress").mkdir()
    (tmp_path / "stress" / "a.npz").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordError, match="is a link"):
        store.stress("a")


def test_conditions_that_there_are_not_are_refused() -> None:
    odd = StressScores(("x",), ("",), ("",), (CLEAN, Condition("odd", "odd", "", "audio")), np.zeros((2, 1)))
    with pytest.raises(RecordError, match="conditions that there are not"):
        stress_from_bytes(stress_to_bytes(odd, "a"), "here", "a")
