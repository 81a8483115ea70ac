"""Averages of epochs and mixup of sound, by hand."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset
from training_cells import run, spec
from training_fakes import FakeAdapter, FakeBackbone, FakeHead, registered

from benchmark.data.mixup import MixedSound, mix
from benchmark.model.encoder import Encoder
from benchmark.model.model import AudioVisualModel
from benchmark.train.averaging import AverageOfEpochs
from benchmark.train.checkpoint import restore, trained_state
from tasks.recipe import Recipe


@pytest.fixture(autouse=True, scope="module")
def _fakes():
    with registered():
        yield


def after(average: AverageOfEpochs, model, epoch: int, value: float) -> None:
    with torch.no_grad():
        for tensor in [*model.parameters(), *model.buffers()]:
            tensor.fill_(value)
    average.after_train_epoch(SimpleNamespace(model=model, epoch=epoch - 1))


def build() -> AudioVisualModel:
    backbone = FakeBackbone()
    return AudioVisualModel(Encoder(backbone, FakeAdapter(backbone)), FakeHead(backbone.dim), "fp32")


def test_the_mean_of_the_asked_epochs_and_of_nothing_frozen():
    model, average = build(), AverageOfEpochs(2, 4)
    for epoch, value in enumerate([100.0, 1.0, 2.0, 6.0, 100.0], 1):
        after(average, model, epoch, value)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    state = average.state
    assert state.keys() == trained_state(model).keys()
    for name, value in state.items():
        assert set(value.flatten().tolist()) == {3.0 if name in trained else 6.0}
        assert value.dtype == trained_state(model)[name].dtype
    restore(model, state)
    assert next(model.encoder.backbone.parameters()).flatten()[0] == 100.0


def test_a_run_that_goes_on_has_the_same_average():
    model, whole, cut = build(), AverageOfEpochs(1, 3), AverageOfEpochs(1, 3)
    for epoch, value in ((1, 1.0), (2, 2.0)):
        after(whole, model, epoch, value)
        after(cut, model, epoch, value)
    resumed = AverageOfEpochs(1, 3)
    resumed.load_state_dict(*cut.state_dict())
    after(whole, model, 3, 6.0)
    after(resumed, model, 3, 6.0)
    assert all(torch.equal(value, resumed.state[name]) for name, value in whole.state.items())


def test_the_average_is_what_is_tested():
    """Averaging the last epoch alone gives that epoch's scores, and averaging changes nothing about training."""
    averaged, _ = run(spec(epochs=3, average_from=1, average_to=3))
    assert averaged.best_epoch is None
    assert set(averaged.validation) == {"accuracy"}
    last, _ = run(spec(epochs=3, average_from=3, average_to=3))
    assert last.history[-1]["accuracy"] == pytest.approx(last.validation["accuracy"])
    plain, _ = run(spec(epochs=3))
    assert averaged.history[0]["train_loss"] == plain.history[0]["train_loss"]


def test_the_protocol_paper_selects_on_test_and_says_so():
    cell = dataclasses.replace(spec(epochs=2), protocol="paper")
    record, _ = run(cell)
    assert record.protocol == "paper"
    assert "selected on test" in record.labels
    assert record.validation == record.scores


class Tones(Dataset):
    """Clip i is heard as a wave of frequency i with an offset."""

    def __len__(self):
        return 6

    def __getitem__(self, index):
        wave = torch.sin(torch.arange(64.0) * (index + 1)) + index
        return {"inputs": {"waveform": wave.expand(3, -1), "frames": torch.tensor(index)}, "targets": {"label": index}}


def test_mixing_by_hand():
    sound, other = torch.tensor([[1.0, 3.0]]), torch.tensor([[10.0, 6.0]])
    assert mix(sound, other, torch.tensor([[0.75]])).tolist() == [[-0.25, 0.25]]


def test_only_sound_is_mixed_and_each_segment_has_its_share():
    clips = MixedSound(Tones(), Recipe(mixup=1.0, mixup_beta=10.0))
    clips.begin_epoch(7)
    item = clips[2]
    assert item["targets"] == {"label": 2}
    assert item["inputs"]["frames"] == 2
    waves = torch.stack(
        [t["inputs"]["waveform"][0] - t["inputs"]["waveform"].mean() for t in map(Tones().__getitem__, range(6))]
    )
    shares = torch.linalg.lstsq(waves.T, item["inputs"]["waveform"].T).solution
    assert torch.allclose(shares.sum(0), torch.ones(3), atol=1e-3)
    assert ((shares > 1e-3).sum(0) <= 2).all()
    assert len({round(float(s), 4) for s in shares[2]}) == 3


def test_draws_follow_from_the_epoch_and_the_place():
    clips = MixedSound(Tones(), Recipe(mixup=0.5))
    heard = {}
    for seed in (1, 2, 1):
        clips.begin_epoch(seed)
        heard.setdefault(seed, []).append(torch.stack([clips[i]["inputs"]["waveform"] for i in range(6)]))
    assert torch.equal(*heard[1])
    assert not torch.equal(heard[1][0], heard[2][0])


def test_half_of_the_clips_stay_as_they_are():
    clips, plain = MixedSound(Tones(), Recipe(mixup=0.5)), Tones()
    kept = 0
    for seed in range(50):
        clips.begin_epoch(seed)
        kept += sum(torch.equal(clips[i]["inputs"]["waveform"], plain[i]["inputs"]["waveform"]) for i in range(6))
    assert abs(kept - 150) < 4 * np.sqrt(300 * 0.25)


def test_mixup_trains():
    record, _ = run(spec(epochs=2, mixup=0.5))
    assert record.status == "completed"
    assert record.history[0]["train_loss"] != run(spec(epochs=2))[0].history[0]["train_loss"]
