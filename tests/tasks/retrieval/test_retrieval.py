"""Retrieval never lets one side see the other, and scores constant embeddings at chance."""

import numpy as np
import pytest
import torch

from registry.vocabulary import Features
from tasks.retrieval.head import SharedSpace
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
    assert chance["recall_at_1"] == 0.0
    assert chance["audio_to_visual_median_rank"] == 10.5


def test_items_average_to_the_primary_score():
    rng = np.random.default_rng(0)
    predictions = [{"id": str(i), "visual": rng.normal(size=3), "audio": rng.normal(size=3)} for i in range(30)]
    evaluation = Retrieval().evaluate(predictions)
    mean = 100 * np.mean([item.score for item in evaluation.items])
    assert evaluation.scores["recall_at_1"] == pytest.approx(mean)
