"""Questions are read in the words that the model knows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmark.kept.config import ModelFacts
from benchmark.use.questions import encode_question
from registry import UserError

FACTS = ModelFacts(
    labels=["yes"], classes=[], answers=["yes"], words=["<pad>", "Is", "it", "the", "The", "bell", "left"], questions=1,
    words_of_a_question=5, segments=10, seconds=None, sampling="middle", window=1.0, picture={}, precision="fp32",
)  # fmt: skip


def test_words_become_numbers_whatever_their_capitals_and_marks() -> None:
    for text in ("Is it the bell ?", "is it the BELL?", " Is  it the bell"):
        encoded = encode_question(text, FACTS)
        assert encoded is not None
        assert encoded.tolist() == [[[1, 2, 3, 5, 0]]]
    exact = encode_question("The left", FACTS)
    assert exact is not None
    assert exact.tolist() == [[[4, 6, 0, 0, 0]]]


@pytest.mark.parametrize(
    ("question", "said"),
    [(None, "answers questions; give one"), ("?", "give one"), ("is it <pad>", "unknown word"), ("is " * 6, "6 words")],
)
def test_what_cannot_be_asked_is_told(question: str | None, said: str) -> None:
    with pytest.raises(UserError, match=said):
        encode_question(question, FACTS)


def test_a_model_without_words_is_asked_nothing() -> None:
    assert encode_question(None, replace(FACTS, words=[])) is None
    with pytest.raises(UserError, match="leave the question out"):
        encode_question("why?", replace(FACTS, words=[]))
