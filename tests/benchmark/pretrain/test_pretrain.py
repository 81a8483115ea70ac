"""Pre-training pictures say what they show, and pre-training is deterministic."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import backbones.tiny
from backbones.tiny.architectures import BUILDERS
from benchmark.pretrain.captions import CAPTIONS, NOTHING, caption_index, encode_captions, shape_of_caption
from benchmark.pretrain.pictures import NONE, draw_collages
from benchmark.pretrain.pretrain import pretrain_backbone
from registry import BACKBONES, look_up
from tasks.synthetic.scene import CLASSES, COLOURS, PLACES

EMBEDDED = Path(backbones.tiny.__path__[0])


def test_labels_agree_with_each_other():
    batch = draw_collages(np.random.default_rng(0), 200, 32, 4)
    empty = batch.shape == len(CLASSES)
    grey = (batch.pictures - batch.pictures.mean(1, keepdim=True)).abs().amax((1, 2, 3)) < 1e-5
    assert 0.2 < grey.float().mean() < 0.4
    assert torch.all((batch.colour == NONE) == grey[:, None, None])
    assert torch.all((batch.colour == len(COLOURS))[~grey] == empty[~grey])
    # A class named by a patch is present in the third where the patch says its thing stands.
    for n, row, column in torch.nonzero(~empty):
        assert batch.present[n, batch.place[n, row, column], batch.shape[n, row, column]] == 1


def test_captions_say_what_a_patch_shows():
    batch = draw_collages(np.random.default_rng(1), 50, 32, 4)
    index = caption_index(batch)
    assert torch.equal(shape_of_caption(index)[index != NONE], batch.shape[index != NONE])
    assert CAPTIONS[NOTHING] == "nothing"
    n, row, column = torch.nonzero((index != NONE) & (index != NOTHING))[0]
    colour, _, shape, place = CAPTIONS[index[n, row, column]].split()
    assert COLOURS[batch.colour[n, row, column]] == colour
    assert CLASSES[batch.shape[n, row, column]] == shape
    assert PLACES[batch.place[n, row, column]] == place
    assert len({tuple(row) for row in encode_captions().tolist()}) == len(CAPTIONS)


@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_same_seed_same_weights(name, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmark.pretrain.pretrain.BATCH", 8)
    for run in ("a", "b"):
        pretrain_backbone(name, tmp_path / run, steps=2, seed=3)
    first, second = (load_file(tmp_path / run / f"{name}.safetensors") for run in ("a", "b"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_embedded_weights_are_small_documented_and_loaded(name):
    file = EMBEDDED / f"{name}.safetensors"
    assert file.stat().st_size <= 2e6
    reached = json.loads((EMBEDDED / f"{name}.json").read_text())
    assert f"python -m benchmark pretrain {name} " in reached["command"]
    assert reached["patch_shape_accuracy_on_things"] > 3 * 100 / len(CLASSES)
    backbone = look_up(BACKBONES, name)()
    assert not backbone.random_weights
    stem = next(value for key, value in load_file(file).items() if value.ndim == 4)
    assert any(torch.equal(parameter, stem.float()) for parameter in backbone.parameters())
