from __future__ import annotations

import pytest
import torch
from torch.utils.data import default_collate
from training_fakes import FakeAdapter, FakeBackbone, FakeClips, FakeHead

from benchmark.model.encoder import Encoder
from benchmark.model.model import AudioVisualModel

BATCH = default_collate([FakeClips(4, seed=0)[i] for i in range(4)])


def build(precision: str = "fp32") -> AudioVisualModel:
    torch.manual_seed(0)
    backbone = FakeBackbone()
    return AudioVisualModel(Encoder(backbone, FakeAdapter(backbone)), FakeHead(backbone.dim), precision).eval()


def test_modes_are_views_of_the_same_outputs():
    model = build()
    prepared = model.data_preprocessor(BATCH)
    logits = model(**prepared)["logits"]
    losses = model(**prepared, mode="loss")
    torch.testing.assert_close(losses["answer"], torch.nn.functional.cross_entropy(logits, BATCH["targets"]["label"]))
    predictions = model.val_step(BATCH)
    right = (logits.argmax(-1) == BATCH["targets"]["label"]).float().tolist()
    assert [p["right"] for p in predictions] == right


def test_every_loss_term_counts_whatever_its_name():
    total, told = build().parse_losses({"answer": torch.tensor(1.5), "contrast": torch.tensor(2.0)})
    assert total.item() == told["loss"].item() == 3.5


def test_a_schemes_penalty_is_a_term_of_training_and_nothing_is_left_of_other_passes():
    model = build()
    due = []
    model.encoder.scheme.penalty = lambda: due.pop() if due else None
    prepared = model.data_preprocessor(BATCH)
    due.append(torch.tensor(2.5))
    losses = model(**prepared, mode="loss")
    assert losses["penalty"].item() == 2.5
    due.append(torch.tensor(2.5))
    model(**prepared)
    assert due == []
    assert "penalty" not in model(**prepared, mode="loss")


def test_bf16_holds_frozen_weights_in_bf16_and_trained_ones_in_fp32():
    model = build("bf16")
    assert {p.dtype for p in model.encoder.backbone.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in model.encoder.scheme.parameters()} == {torch.float32}
    outputs = model(**model.data_preprocessor(BATCH))
    assert outputs["logits"].dtype == torch.float32
    full = build()
    torch.testing.assert_close(outputs["logits"], full(**full.data_preprocessor(BATCH))["logits"], rtol=0.05, atol=0.05)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_gradients_reach_what_is_trained_and_nothing_else(precision):
    model = build(precision).train()
    model(**model.data_preprocessor(BATCH), mode="loss")["answer"].backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert {name for name in without if "backbone" not in name} == {"encoder.scheme.dead"}
    assert all(p.grad is None for p in model.encoder.backbone.parameters())


def test_initialisation_by_mmengine_changes_nothing():
    model = build()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.init_weights()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
