"""Pre-training pictures say what they show, and pre-training is deterministic."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import backbones.tiny
from adapters.contract import encode
from adapters.unimodal.linear_probe import LinearProbe
from backbones.tiny.architectures import BUILDERS
from backbones.tiny.presets import PICTURE, _read_ast
from benchmark.pretrain.captions import CAPTIONS, NOTHING, caption_index, encode_captions, shape_of_caption
from benchmark.pretrain.pictures import NONE, draw_collages
from benchmark.pretrain.pretrain import features, pretrain_backbone
from benchmark.pretrain.sounds import draw_sounds
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
    monkeypatch.setattr("benchmark.pretrain.pretrain.SOUND_BATCH", 8)
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
    measure = "sound_class_accuracy_on_things" if name == "tiny_ast" else "patch_shape_accuracy_on_things"
    assert reached[measure] > 3 * 100 / len(CLASSES)
    backbone = look_up(BACKBONES, name)()
    assert not backbone.random_weights
    stem = next(value for key, value in load_file(file).items() if value.ndim == 4)
    # AST's files have rows of mel bands, and its backbone rows of time.
    held = stem.float().mT if name == "tiny_ast" else stem.float()
    assert any(torch.equal(parameter, held) for parameter in backbone.parameters())


def test_sounds_say_what_is_heard_in_them():
    batch = draw_sounds(np.random.default_rng(0), 60)
    assert batch.pictures.shape == (60, 1, 32, 32)
    silent = batch.present.sum(1) == 0
    assert 5 < silent.sum() < 30
    assert torch.equal(silent, batch.loudest == len(CLASSES))
    assert all(batch.present[n, c] == 1 for n, c in enumerate(batch.loudest) if c < len(CLASSES))
    assert batch.pictures[silent].mean() < batch.pictures[~silent].mean() - 0.3
    same = draw_sounds(np.random.default_rng(0), 60)
    assert torch.equal(same.pictures, batch.pictures)


def test_what_learns_to_hear_is_what_is_read():
    """The model that is trained and the backbone that reads its weights are one function."""
    torch.manual_seed(0)
    model = BUILDERS["tiny_ast"]().eval()
    backbone = _read_ast(model, PICTURE)
    pictures = torch.randn(3, 1, 32, 32)
    tokens, pooled = features(model, pictures)
    found = encode(LinearProbe(backbone), backbone, {"audio": pictures[:, None]})["audio"]
    by_time = tokens.unflatten(1, (5, 5)).transpose(1, 2).flatten(1, 2)
    torch.testing.assert_close(found.tokens[:, 0, 2:], by_time, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.pooled[:, 0], pooled, rtol=1e-4, atol=1e-5)
