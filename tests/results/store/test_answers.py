from __future__ import annotations

import numpy as np
import pytest

from registry.vocabulary import Answers, ItemScore
from results.store import answers
from results.store.answers import answers_from_bytes, answers_to_bytes
from results.store.serialise import RecordError
from results.store.store import Store

ANSWERS = Answers({"chance": 50.0}, ("a", "b"), ("x", "y"), np.array([0, 1]), np.array([1, 1]), np.full((2, 2), 0.5))


def test_answers_are_read_back(record, tmp_path) -> None:
    store = Store(tmp_path)
    store.write(record(), [ItemScore("x", 1.0)], answers=ANSWERS)
    found = store.answers(record().hash)
    assert (found.levels, found.classes, found.items) == (ANSWERS.levels, ANSWERS.classes, ANSWERS.items)
    assert (found.labels == ANSWERS.labels).all()
    assert (found.probabilities == ANSWERS.probabilities).all()
    assert store.answers("another") is None


def test_probabilities_can_be_left_out() -> None:
    found = answers_from_bytes(answers_to_bytes(ANSWERS, with_probabilities=False), "x")
    assert found.probabilities is None
    assert (found.predicted == ANSWERS.predicted).all()


def test_equal_answers_give_equal_bytes() -> None:
    assert answers_to_bytes(ANSWERS) == answers_to_bytes(ANSWERS)


@pytest.mark.parametrize("content", [b"torn", answers_to_bytes(ANSWERS)[:-40]])
def test_what_is_torn_is_told_by_its_place(content) -> None:
    with pytest.raises(RecordError, match=r"^here: not readable answers"):
        answers_from_bytes(content, "here")


def test_numbers_beyond_the_classes_are_refused() -> None:
    bad = Answers({}, ("a",), ("x",), np.array([3]), np.array([0]))
    with pytest.raises(RecordError):
        answers_from_bytes(answers_to_bytes(bad), "here")


def test_an_answer_more_is_another_fingerprint(record, tmp_path) -> None:
    store = Store(tmp_path)
    store.write(record())
    before = store.fingerprint()
    store.write(record(seed=1), answers=ANSWERS)
    assert store.fingerprint() != before


def test_names_are_kept_and_change_the_fingerprint_alone(record, tmp_path) -> None:
    store = Store(tmp_path)
    store.write(record())
    before, content = store.fingerprint(), (tmp_path / "records" / f"{record().hash}.json").read_bytes()
    store.add_names({"tiny_vit": "small"})
    store.add_names({"linear_probe": "probe"})
    assert store.load().names == {"tiny_vit": "small", "linear_probe": "probe"}
    assert store.fingerprint() != before
    assert (tmp_path / "records" / f"{record().hash}.json").read_bytes() == content
    (tmp_path / "names.json").write_text("{")
    assert store.load().names == {}
    assert [file.path.name for file in store.load().unreadable] == ["names.json"]


def test_arrays_that_unpack_to_more_than_fits_are_refused(monkeypatch) -> None:
    monkeypatch.setattr(answers, "MOST_UNPACKED", 1000)
    large = Answers({}, ("a", "b"), tuple(map(str, range(5000))))
    with pytest.raises(RecordError, match="when unpacked"):
        answers_from_bytes(answers_to_bytes(large), "answers/x.npz")
