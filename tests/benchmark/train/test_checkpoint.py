from __future__ import annotations

import os

import pytest
import torch
from training_fakes import FakeAdapter, FakeBackbone, FakeHead

from adapters.unimodal.full_finetune import FullFinetune
from backbones.tiny import tiny_vit
from benchmark.model.encoder import Encoder
from benchmark.model.model import AudioVisualModel
from benchmark.train.checkpoint import load, restore, save, trained_state
from registry.errors import UserError


def build(dead: int = 3) -> AudioVisualModel:
    backbone = FakeBackbone()
    return AudioVisualModel(Encoder(backbone, FakeAdapter(backbone, dead=dead)), FakeHead(backbone.dim), "fp32")


def disturb(model: AudioVisualModel) -> None:
    with torch.no_grad():
        for value in [*model.parameters(), *model.buffers()]:
            value.add_(1)


def test_the_state_holds_what_is_trained_and_buffers_but_nothing_frozen():
    names = trained_state(build()).keys()
    assert "head.classify.weight" in names
    assert "encoder.scheme.beside.0.audio.0.running_var" in names
    assert not any(name.startswith("encoder.backbone") for name in names)


def test_a_state_is_a_copy_that_restores_exactly():
    model = build()
    state = trained_state(model)
    disturb(model)
    changed = trained_state(model)
    restore(model, state)
    restored = trained_state(model)
    assert all(torch.equal(restored[name], state[name]) for name in state)
    assert not any(torch.equal(changed[name], state[name]) for name in state)


def test_unfrozen_backbone_parameters_belong_to_the_state():
    model = build()
    model.encoder.backbone.blocks[0].mlp.requires_grad_(True)
    names = trained_state(model).keys()
    assert {name for name in names if "backbone" in name} == {
        "encoder.backbone.blocks.0.mlp.weight",
        "encoder.backbone.blocks.0.mlp.bias",
    }


def test_a_file_brings_back_the_state_and_the_facts(tmp_path):
    state = trained_state(build())
    save(tmp_path / "new" / "best.safetensors", state, epoch=3)
    loaded, facts = load(tmp_path / "new" / "best.safetensors")
    assert facts == {"epoch": "3"}
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], state[name]) for name in state)
    assert os.listdir(tmp_path / "new") == ["best.safetensors"]


def test_a_save_that_fails_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "best.safetensors"
    save(path, {"x": torch.ones(1)}, epoch=1)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(UserError, match=r"cannot write .*: disk full"):
        save(path, {"x": torch.zeros(1)}, epoch=2)
    assert load(path)[1] == {"epoch": "1"}
    assert os.listdir(tmp_path) == ["best.safetensors"]


def test_a_state_of_another_model_is_refused():
    state = trained_state(build())
    state.pop("head.classify.bias")
    with pytest.raises(UserError, match=r"1 names differ, 'head\.classify\.bias'"):
        restore(build(), state)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_copies_of_backbone_parameters_are_in_the_state_in_float32_and_the_backbone_is_not(precision):
    backbone = tiny_vit(weights="none")
    model = AudioVisualModel(Encoder(backbone, FullFinetune(backbone)), FakeHead(backbone.dim), precision)
    state = trained_state(model)
    copies = {name: value for name, value in state.items() if name.startswith("encoder.scheme.")}
    assert sum(value.numel() for value in copies.values()) == sum(p.numel() for p in backbone.parameters())
    assert {value.dtype for value in copies.values()} == {torch.float32}
    assert not any(name.startswith("encoder.backbone") for name in state)
    frozen = {name: p.clone() for name, p in backbone.named_parameters()}
    with torch.no_grad():
        for parameter in model.encoder.scheme.parameters():
            parameter.add_(1)
    restore(model, state)
    assert all(torch.equal(p, copies[n]) for n, p in model.state_dict().items() if n in copies)
    assert all(torch.equal(p, frozen[name]) for name, p in backbone.named_parameters())
