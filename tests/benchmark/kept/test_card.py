"""A card cannot be broken by what a record says."""

from __future__ import annotations

from dataclasses import replace

from benchmark.kept.card import to_card
from benchmark.kept.config import KeptConfig, ModelFacts

FACTS = ModelFacts(
    labels=["a"], classes=[], answers=["a"], words=["<pad>", "how"], questions=1, words_of_a_question=4, segments=10,
    seconds=None, sampling="middle", window=1.0, picture={}, precision="fp32",
)  # fmt: skip
CONFIG = KeptConfig(
    backbone="tiny_vit", adapter="lora", task="avqa", model=FACTS, hash="01", seed=0, recipe={}, protocol="paper",
    data="x|y", weights={"a": "b"}, tensors_sha256="c", labels=["selected on test"], primary_metric="accuracy",
    scores={"accuracy": 12.5},
)  # fmt: skip


def test_a_table_stays_a_table() -> None:
    card = to_card(replace(CONFIG, data="a|b\n# heading", labels=["one\ntwo: [x]"]))
    assert "| data | a\\|b # heading |" in card
    assert "\n# heading" not in card
    assert card.splitlines()[2].startswith('tags: ["audio-visual", "avqa", "one two: [x]"]')


def test_questions_are_shown_and_what_was_selected_on_test_is_told() -> None:
    card = to_card(CONFIG)
    assert 'question="…"' in card
    assert "scores are too high" in card
    assert "| test accuracy | 12.50 |" in card
