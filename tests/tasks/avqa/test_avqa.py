"""The question head is blind to binding on purpose, and scores are micro averages."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score

from registry.vocabulary import Features
from tasks.avqa.head import QuestionEncoder, QuestionReadout
from tasks.avqa.task import Avqa
from tasks.questions import NO_ANSWER


def as_features(streams):
    return {m: Features(None, x) for m, x in streams.items()}


def test_logits_are_additive_in_the_modalities_given_the_question():
    """Sound may not change how sight moves an answer, else the head could bind them without an adapter."""
    torch.manual_seed(0)
    head = QuestionReadout(8, segments=3, words=10, answers=4)
    sight, sound = torch.randn(2, 1, 3, 8), torch.randn(2, 1, 3, 8)
    questions = torch.tensor([[[1, 2, 3, 0]]])

    def logits(i, j):
        return head(as_features, {"visual": sight[i], "audio": sound[j], "questions": questions})["logits"]

    assert torch.allclose(logits(1, 0) - logits(0, 0), logits(1, 1) - logits(0, 1), atol=1e-5)
    assert (logits(1, 0) - logits(0, 0)).abs().max() > 1e-3


def test_a_head_of_one_modality_never_asks_for_the_other():
    head = QuestionReadout(8, segments=3, words=10, answers=4, modalities=("audio",))
    inputs = {"audio": torch.randn(1, 3, 8), "questions": torch.tensor([[[1, 2]]])}
    assert head(as_features, inputs)["logits"].shape == (1, 1, 4)


def test_padding_words_and_questions_do_not_count():
    torch.manual_seed(0)
    encoder = QuestionEncoder(10, 6)
    short, padded = encoder(torch.tensor([[4, 5]])), encoder(torch.tensor([[4, 5, 0, 0]]))
    assert torch.allclose(short, padded)
    head = QuestionReadout(8, segments=3, words=10, answers=4)
    logits = torch.randn(1, 2, 4)
    loss = head.loss({"logits": logits}, {"answers": torch.tensor([[1, NO_ANSWER]])})["cross_entropy"]
    assert loss == pytest.approx(float(torch.nn.functional.cross_entropy(logits[:, 0], torch.tensor([1]))))


def test_accuracy_is_a_micro_average_over_questions():
    kinds = Avqa().kinds
    audio, both = kinds.index("Audio Counting"), kinds.index("Audio-Visual Location")
    predictions = [
        {"id": "a", "predicted": [1, 2, 3], "answers": [1, 2, 0], "kinds": [audio, audio, both]},
        {"id": "b", "predicted": [4], "answers": [4], "kinds": [both]},
    ]
    evaluation = Avqa().evaluate(predictions)
    assert evaluation.scores["answer_accuracy"] == 75.0
    assert evaluation.scores["audio"] == 100.0
    assert evaluation.scores["audio_visual_location"] == 50.0
    assert "visual" not in evaluation.scores
    assert [item.item for item in evaluation.items] == ["a#0", "a#1", "a#2", "b#0"]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000))
def test_accuracies_agree_with_scikit_learn(seed):
    """Over all questions, over those of each type and of each modality."""
    rng, task = np.random.default_rng(seed), Avqa()
    answers, predicted, kinds = rng.integers(0, 4, 60), rng.integers(0, 4, 60), rng.integers(0, 9, 60)
    clips = [
        {"id": str(i), "predicted": predicted[i::6].tolist(), "answers": answers[i::6].tolist(), "kinds": kinds[i::6]}
        for i in range(6)
    ]
    scores = task.evaluate(clips).scores
    groups = {name: np.isin(kinds, numbers) for name, numbers in (("audio", [0, 1]), ("audio_visual", range(4, 9)))}
    groups |= {"answer_accuracy": kinds >= 0, "visual_counting": kinds == 2}
    for name, chosen in groups.items():
        if chosen.any():
            assert scores[name] == pytest.approx(100 * accuracy_score(answers[chosen], predicted[chosen]))
