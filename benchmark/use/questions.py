"""A user's question in the words that a model knows."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from benchmark.kept.config import ModelFacts
from registry.errors import UserError, unknown

_MARKS = re.compile(r"[?!.,;]+(?=\s|$)")


def encode_question(question: str | None, facts: ModelFacts) -> Tensor | None:
    """Word numbers (1, 1, W), padded with 0; None for a model that is asked nothing.

    Capital letters and punctuation do not matter, except where the model knows words that differ in them alone.

    Raises:
        UserError: no question where one is needed, one where none is, too many words, or one that the model does not
            know.
    """
    if not facts.words:
        if question is not None:
            raise UserError(f"question={question!r}, but this model answers none; leave the question out.")
        return None
    words = _MARKS.sub(" ", question or "").split()
    if not words:
        raise UserError("this model answers questions; give one with question='…', on the command line --question.")
    if len(words) > facts.words_of_a_question:
        raise UserError(
            f"question {question!r} has {len(words)} words, and this model reads {facts.words_of_a_question} at most; "
            "ask in fewer."
        )
    numbers = {word: number for number, word in reversed(list(enumerate(facts.words))) if number}
    lower = {word.lower(): number for word, number in reversed(list(numbers.items()))}
    encoded = torch.zeros(1, 1, facts.words_of_a_question, dtype=torch.int64)
    for place, word in enumerate(words):
        number = numbers.get(word, lower.get(word.lower()))
        if number is None:
            raise unknown("word", word, numbers)
        encoded[0, 0, place] = number
    return encoded
