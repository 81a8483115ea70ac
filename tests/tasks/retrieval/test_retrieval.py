"""Retrieval never lets one side see the other, and scores constant embeddings at chance."""

import numpy as np
import pytest
import torch

from registry.vocabulary import Features
from tasks.retrieval.head import SharedSpace
from tasks.retrieval.scoring import similarities
from tasks.retrieval.task import Retrieval


def encode_together(streams):
    """An encoder that leaks: each stream's features contain the sum of all streams present."""
    total = sum(x.mean((-3, -2, -1)) for x in streams.values())
    return {
        m: Features(None, (x.mean((-3, -2, -1)) + total).unsqueeze(-1).expand(-1, -1, 8)) for m, x in streams.items()
    }


def test_each_modality_is_encoded_alone():
    torch.manual_seed(0)
    head = SharedSpace(8)
    inputs = {m: torch.randn(4, 2, 3, 8, 8) for m in ("visual", "audio")}
    before = head(encode_together, inputs)
    after = head(encode_together, inputs | {"audio": torch.randn(4, 2, 3, 8, 8)})
    assert torch.equal(before["visual"], after["visual"])


def test_perfect_and_constant_embeddings():
    task = Retrieval()
    perfect = [{"id": str(i), "visual": row, "audio": row} for i, row in enumerate(np.eye(20))]
    constant = [{"id": str(i), "visual": np.ones(4), "audio": np.ones(4)} for i in range(20)]
    assert task.evaluate(perfect).scores["recall_at_1"] == 100.0
    chance = task.evaluate(constant).scores
    assert [chance[f"recall_at_{k}"] for k in (1, 5, 10)] == pytest.approx([5, 25, 50])
    assert chance["audio_to_visual_median_rank"] == 10.5
    assert "class_map" not in chance


def test_constant_embeddings_of_any_values_score_at_chance():
    rng = np.random.default_rng(0)
    visual, audio = rng.normal(size=(2, 640)).astype(np.float32)
    clips = [{"id": str(i), "visual": visual, "audio": audio, "category": i // 5} for i in range(100)]
    scores = Retrieval().evaluate(clips).scores
    assert [scores[f"recall_at_{k}"] for k in (1, 5, 10)] == pytest.approx([1, 5, 10])
    assert scores["ndcg_at_10"] == pytest.approx(np.sum(1 / np.log2(np.arange(2, 12))))
    assert [scores[f"class_{name}"] for name in ("recall_at_1", "map")] == pytest.approx([5, 5])


@pytest.mark.parametrize("width", [3, 64, 640])
def test_equal_embeddings_are_ties_wherever_they_stand(width):
    rng = np.random.default_rng(1)
    queries, candidates = rng.normal(size=(2, 150, width)).astype(np.float32)
    twins = rng.permutation(150)[:60].reshape(2, 30)
    candidates[twins[1]] = candidates[twins[0]]
    queries[149] = queries[0]
    found = similarities(queries, candidates)
    assert np.array_equal(found[:, twins[0]], found[:, twins[1]])
    assert np.array_equal(found[0], found[149])
    np.testing.assert_allclose(found, queries.astype(float) @ candidates.astype(float).T, rtol=0, atol=1e-4)


def test_another_clip_of_the_class_is_right_for_classes_only():
    """Clips 0 and 1 are of one class and each other's nearest; clip 2 finds itself."""
    visual = np.eye(3)
    audio = visual[[1, 0, 2]]
    clips = [{"id": str(i), "visual": visual[i], "audio": audio[i], "category": c} for i, c in enumerate([7, 7, 4])]
    scores = Retrieval().evaluate(clips).scores
    assert scores["recall_at_1"] == pytest.approx(100 / 3)
    assert scores["class_recall_at_1"] == scores["audio_to_visual_class_recall_at_1"] == 100
    # Of clips 0 and 1 the partner is tied with clip 2 behind the other one: precision 1, then 2 of 3.
    assert scores["class_map"] == pytest.approx(100 * (5 / 6 + 5 / 6 + 1) / 3)
    assert scores["visual_to_audio_median_rank"] == 2.5


def test_directions_by_hand():
    """Sound 0 is nearest to both pictures: one of two sounds finds its picture, and one of two pictures its sound."""
    visual, audio = np.array([[1.0, 0.0], [0.8, 0.6]]), np.array([[1.0, 0.0], [0.0, 0.5]])
    scores = Retrieval().evaluate([{"id": str(i), "visual": visual[i], "audio": audio[i]} for i in range(2)]).scores
    assert scores["audio_to_visual_recall_at_1"] == 100
    assert scores["visual_to_audio_recall_at_1"] == 50
    assert scores["recall_at_1"] == 75
    assert scores["visual_to_audio_ndcg_at_10"] == pytest.approx(50 * (1 + 1 / np.log2(3)))


def test_classes_travel_from_targets_to_predictions():
    outputs = {m: torch.eye(2) for m in ("visual", "audio")}
    predicted = SharedSpace(8).predict(outputs, {"id": ["a", "b"], "category": torch.tensor([3, 1])})
    assert [p["category"] for p in predicted] == [3, 1]
    assert "category" not in SharedSpace(8).predict(outputs, {"id": ["a", "b"]})[0]


def test_items_average_to_the_primary_score():
    rng = np.random.default_rng(0)
    predictions = [{"id": str(i), "visual": rng.normal(size=3), "audio": rng.normal(size=3)} for i in range(30)]
    evaluation = Retrieval().evaluate(predictions)
    mean = 100 * np.mean([item.score for item in evaluation.items])
    assert evaluation.scores["recall_at_1"] == pytest.approx(mean)
