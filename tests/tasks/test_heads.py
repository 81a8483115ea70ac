"""Heads on features whose width differs between sight and sound."""

from __future__ import annotations

import pytest
import torch

from registry import TASKS, Component, look_up
from registry.vocabulary import Features, Stage
from tasks.heads import widths_of

WIDTHS = {"visual": 8, "audio": 6}
STAGES = (Stage(8, 4, 8),)
HEADS = [
    "event_localisation",
    "event_localisation(head='lavish')",
    "event_localisation(head='stg_cma')",
    "event_localisation(modality='audio', head='stg_cma')",
    "event_localisation(head='cmbs')",
    "classification",
    "retrieval",
    "avqa",
    "avqa(head='lavish')",
    "segmentation",
    "segmentation(head='avsbench')",
]


def encode(pictures):
    features = {}
    for m, x in pictures.items():
        tokens = torch.randn(*x.shape[:2], 16, WIDTHS[m])
        features[m] = Features(tokens, tokens.mean(2), (tokens,))
    return features


def test_one_width_is_that_of_both():
    assert widths_of(5) == {"visual": 5, "audio": 5}
    assert widths_of(WIDTHS) is WIDTHS


@pytest.mark.parametrize("text", HEADS)
def test_every_head_reads_two_widths(text):
    component = Component.parse(text)
    task = look_up(TASKS, component.name)(**component.options)
    inputs = task.example_inputs(2)
    inputs = {name: x for name, x in inputs.items() if name not in ("frames", "waveform")}
    inputs |= {m: torch.zeros(2, task.segments, 3, 32, 32) for m in WIDTHS}
    outputs = task.head_on(WIDTHS, STAGES).eval()(encode, inputs)
    assert all(x.isfinite().all() for x in outputs.values())
