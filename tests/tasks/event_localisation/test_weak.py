"""Weak supervision by hand: the mean of segment logits against the clip's class."""

import torch
from torch.nn import functional as F

from registry.vocabulary import Features
from tasks.event_localisation.task import EventLocalisation
from tasks.event_localisation.weak import WeakSupervision


def as_features(streams):
    return {m: Features(x[:, :, None], x) for m, x in streams.items()}


def test_loss_by_hand():
    logits = torch.tensor([[[2.0, 0.0, 0.0], [0.0, 4.0, 0.0]]])
    head = EventLocalisation(supervision="weak").head(4)
    loss = head.loss({"logits": logits}, {"category": torch.tensor([1])})["cross_entropy"]
    means = torch.tensor([1.0, 2.0, 0.0])
    assert torch.allclose(loss, -(means[1] - means.exp().sum().log()))


def test_training_never_sees_when():
    head = EventLocalisation(supervision="weak").head(4)
    assert isinstance(head, WeakSupervision)
    outputs = {"logits": torch.randn(2, 6, 9, generator=torch.Generator().manual_seed(0))}
    category = torch.tensor([3, 5])
    losses = [head.loss(outputs, {"category": category, "labels": torch.full((2, 6), n)}) for n in (0, 8)]
    assert (
        losses[0]["cross_entropy"] == losses[1]["cross_entropy"] == F.cross_entropy(outputs["logits"].mean(1), category)
    )


def test_predictions_are_the_segments_own_and_the_head_has_the_same_size():
    torch.manual_seed(0)
    full = EventLocalisation().head(4)
    torch.manual_seed(0)
    weak = EventLocalisation(supervision="weak").head(4)
    inputs = {m: torch.randn(2, 6, 4) for m in ("visual", "audio")}
    targets = {"labels": torch.zeros(2, 6, dtype=int), "category": torch.zeros(2, dtype=int), "id": ["a", "b"]}
    assert weak.predict(weak(as_features, inputs), targets) == full.predict(full(as_features, inputs), targets)
    assert sum(p.numel() for p in weak.parameters()) == sum(p.numel() for p in full.parameters())
