"""The heads: pooling by hand, weak losses, the two thresholds, and that streams stay apart where they shall."""

from __future__ import annotations

import math

import pytest
import torch

from registry.errors import DataError
from registry.vocabulary import Features
from tasks.parsing.han import HanHead, HybridAttention
from tasks.parsing.head import LinearParser, pool

B, T, D, C = 2, 4, 6, 3


def pictures() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {m: torch.randn(B, T, D, generator=generator) for m in ("visual", "audio")}


def encode(streams):
    """Each stream hears all that are encoded with it, as with an adapter that exchanges."""
    shared = sum(x.mean() for x in streams.values())
    # Not the same in every channel, which a layer norm would take away again.
    return {m: Features(x, x + shared * torch.arange(x.shape[-1])) for m, x in streams.items()}


def outputs_of(segments: list[float], clip: float) -> dict[str, torch.Tensor]:
    """One class, the same heard and seen."""
    on = torch.tensor(segments)[None, :, None, None].expand(1, -1, 2, 1)
    return {"segments": on, "clip": torch.tensor([[clip]])}


def test_pooling_by_hand():
    """One class in two seconds: heard in the first, seen in the second; weights of time 3 to 1, of modality even."""
    high, heavy = 50.0, math.log(3)
    audio = torch.tensor([[high, heavy, 0.0], [-high, 0.0, 0.0]]).view(1, 2, 3, 1)
    visual = torch.tensor([[-high, heavy, 0.0], [high, 0.0, 0.0]]).view(1, 2, 3, 1)
    found = {name: value.flatten().tolist() for name, value in pool(audio, visual).items()}
    assert found["segments"] == pytest.approx([1, 0, 0, 1])
    assert (found["audio"], found["visual"]) == (pytest.approx([0.75]), pytest.approx([0.25]))
    assert found["clip"] == pytest.approx([0.5 * 0.75 + 0.5 * 0.25])


def test_weights_of_a_class_sum_to_one():
    certain = torch.randn(B, T, 3, C)
    certain[:, :, 0] = 50.0
    found = pool(certain, certain)
    for name in ("audio", "visual", "clip"):
        torch.testing.assert_close(found[name], torch.ones(B, C))


def test_labels_are_trusted_of_what_is_heard_and_less_of_what_is_seen():
    head, half = LinearParser(D, 1), torch.full((1, 1), 0.8)
    losses = head.loss({"audio": half, "visual": half, "clip": half}, {"labels": torch.ones(1, 1)})
    assert losses["audio"] == losses["clip"] == pytest.approx(-math.log(0.8))
    assert losses["visual"] == pytest.approx(-0.95 * math.log(0.8) - 0.05 * math.log(0.2))


def test_certain_probabilities_have_a_finite_loss():
    head, certain = LinearParser(D, 1), torch.ones(1, 1)
    outputs = dict.fromkeys(("audio", "visual", "clip"), certain)
    assert all(loss.isfinite() for loss in head.loss(outputs, {"labels": torch.zeros(1, 1)}).values())


@pytest.mark.parametrize(
    ("clip", "expected"), [(0.5, [True, True, False]), (0.49, [False, False, False])], ids=["in the clip", "not in it"]
)
def test_an_event_is_on_where_its_segment_and_its_clip_say_so(clip, expected):
    head = LinearParser(D, 1)
    assert head.active(outputs_of([0.9, 0.5, 0.49], clip))[0, :, 0].tolist() == expected


def test_predictions_stand_by_class_and_second_beside_the_truth():
    head = LinearParser(D, 1)
    truth = {"audio": torch.tensor([[[1, 0, 0]]]), "visual": torch.tensor([[[0, 0, 1]]])}
    (said,) = head.predict(outputs_of([0.9, 0.1, 0.1], 1.0), {"id": ["a"], "labels": torch.ones(1, 1), **truth})
    assert said["predicted"].astype(int).tolist() == [[[1, 0, 0]], [[1, 0, 0]]]
    assert said["truth"].astype(int).tolist() == [[[1, 0, 0]], [[0, 0, 1]]]
    with pytest.raises(DataError, match="labels and no events by second"):
        head.predict(outputs_of([0.9], 1.0), {"id": ["a"], "labels": torch.ones(1, 1)})


@pytest.mark.parametrize("build", [LinearParser, HanHead])
def test_heads_say_probabilities_of_both_modalities(build):
    found = build(D, C).eval()(encode, pictures())
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "segments": (B, T, 2, C), "audio": (B, C), "visual": (B, C), "clip": (B, C),
    }  # fmt: skip
    assert all(value.min() >= 0 and value.max() <= 1 for value in found.values())


def test_encoded_apart_what_is_seen_does_not_depend_on_sound():
    silent = pictures() | {"audio": torch.zeros(B, T, D)}
    for apart in (True, False):
        head = LinearParser(D, C, apart)
        with torch.no_grad():
            same = torch.equal(head(encode, pictures())["visual"], head(encode, silent)["visual"])
        assert same == apart


def test_both_streams_of_the_published_head_read_what_the_other_was_before():
    head, given = HanHead(D, C, width=8, hidden=8).eval(), pictures()
    before = {m: head.project[m](x) for m, x in given.items()}
    found = head.parse(before)["segments"]
    swapped = head.parse({m: before[m] for m in ("audio", "visual")})["segments"]
    torch.testing.assert_close(found, swapped, rtol=0, atol=0)


def test_the_published_layer_has_the_published_size():
    """Of the official class: its layer and three classifiers of 25 classes."""
    assert sum(p.numel() for p in HybridAttention(512, 512).parameters()) == 2_628_608
    head = HanHead(768, 25)
    assert sum(p.numel() for p in head.readout.parameters()) == 38_475
    assert sum(p.numel() for p in head.parameters()) == 2_628_608 + 38_475 + 2 * (768 + 1) * 512
