"""The heads of event localisation, their losses by hand and their parameter counts as published."""

import pytest
import torch

from registry.errors import UserError
from registry.vocabulary import Features
from tasks.event_localisation.paper_heads import LavishClassifier, StgCmaClassifier
from tasks.event_localisation.task import EventLocalisation

DIM, CLASSES = 4, 5
BOTH = {"both": ("visual", "audio"), "visual": ("visual",), "audio": ("audio",)}


def encode(streams):
    """Pooled features that tell the modalities apart: 1 for visual, 2 for audio; one second differs from the next."""
    values = {"visual": 1.0, "audio": 2.0}
    return {
        m: Features(torch.empty(0), values[m] + torch.arange(3.0)[None, :, None].expand(2, 3, DIM)) for m in streams
    }


INPUTS = {m: torch.zeros(2, 3, 3, 8, 8) for m in ("visual", "audio")}


def fed_to(head):
    """What the first layer of a head is given: (B, T, 2 * D)."""
    seen = {}
    head.classify[0].register_forward_pre_hook(lambda _, x: seen.__setitem__("x", x[0]))
    head(encode, INPUTS)
    return seen["x"]


@pytest.mark.parametrize(
    ("head", "dim", "modality", "count"),
    [
        ("stg_cma", 768, "both", 801_821),
        ("stg_cma", 1024, "both", 1_063_965),
        ("stg_cma", 1536, "both", 1_588_253),
        ("stg_cma", 768, "visual", 23_837),
        ("stg_cma", 1024, "audio", 31_773),
        ("stg_cma", 1536, "audio", 47_645),
        ("lavish", 768, "both", 801_821),
        ("lavish", 1536, "both", 1_588_253),
    ],
)
def test_paper_heads_have_the_published_number_of_parameters(head, dim, modality, count):
    """Counts of STG-CMA's AVE rows and of LAVISH's heads, 29 classes."""
    kind = StgCmaClassifier if head == "stg_cma" else LavishClassifier
    assert sum(p.numel() for p in kind(dim, 29, BOTH[modality]).parameters()) == count


def test_stg_cma_puts_audio_first_and_lavish_sight():
    audio_first = fed_to(StgCmaClassifier(DIM, CLASSES))
    sight_first = fed_to(LavishClassifier(DIM, CLASSES))
    assert audio_first[0, 0].tolist() == [2.0] * DIM + [1.0] * DIM
    assert sight_first[0, 0].tolist() == [1.0] * DIM + [2.0] * DIM


def test_stg_cma_head_starts_as_published():
    torch.manual_seed(0)
    head = StgCmaClassifier(256, 29)
    first, dropout, last = head.classify
    assert dropout.p == 0.5
    for layer in (first, last):
        assert torch.equal(layer.bias, torch.zeros_like(layer.bias))
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.03)


def test_label_smoothing_by_hand():
    """Target of class 1 of 5 at 0.1: 0.92 there, 0.02 elsewhere."""
    head = EventLocalisation(head="stg_cma", label_smoothing=0.1).head(DIM)
    logits = torch.tensor([[[1.0, 2.0, 0.0, -1.0, 0.5]]])
    loss = head.loss({"logits": logits}, {"labels": torch.tensor([[1]])})["cross_entropy"]
    target = torch.tensor([0.02, 0.92, 0.02, 0.02, 0.02])
    assert loss.item() == pytest.approx(-(target * logits[0, 0].log_softmax(-1)).sum().item(), rel=1e-6)


def test_lavish_loss_is_binary_cross_entropy_of_probabilities():
    logits = torch.tensor([[[1.0, 2.0, 0.0, -1.0, 0.5]]])
    loss = LavishClassifier(DIM, 5).loss({"logits": logits}, {"labels": torch.tensor([[1]])})["binary_cross_entropy"]
    p = logits[0, 0].softmax(-1)
    by_hand = -(p[1].log() + (1 - p[[0, 2, 3, 4]]).log().sum()) / 5
    assert loss.item() == pytest.approx(by_hand.item(), rel=1e-6)


@pytest.mark.parametrize("modality", ["both", "visual", "audio"])
@pytest.mark.parametrize("head", ["linear", "stg_cma", "lavish"])
def test_every_head_serves_both_streams_or_one(head, modality):
    task = EventLocalisation(head=head, modality=modality)
    asked = []

    def listening(streams):
        asked.extend(streams)
        return encode(streams)

    outputs = task.head(DIM)(listening, INPUTS)
    assert outputs["logits"].shape == (2, 3, len(task.classes))
    assert set(asked) == set(BOTH[modality])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"head": "lavis"}, "lavish"),
        ({"label_smoothing": 1.0}, "below 1"),
        ({"head": "lavish", "label_smoothing": 0.1}, "cross-entropy"),
        ({"head": "cmbs", "label_smoothing": 0.1}, "cross-entropy"),
        ({"head": "cmbs", "modality": "audio"}, "head='cmbs' is of both modalities"),
        ({"head": "cmbs", "supervision": "weak"}, "head='cmbs' is of both modalities"),
        ({"head": "lavish", "gate_loss": False}, "belongs to head='cmbs'"),
    ],
)
def test_wrong_options_are_refused(options, words):
    with pytest.raises(UserError, match=words):
        EventLocalisation(**options)
