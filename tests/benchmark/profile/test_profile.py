from __future__ import annotations

import os

import pytest
import torch
from training_fakes import FakeTask, registered

from benchmark.model import encoder
from benchmark.model import recompute as checkpointing
from benchmark.model.build import build_model
from benchmark.profile import machine_rate
from benchmark.profile import profile as profiling
from benchmark.profile.profile import ProfileRequest, measure, profile_cell, random_inputs
from registry import Component
from registry.errors import UserError

CELL = [Component.parse(text) for text in ("fake_backbone", "fake_adapter", "fake_task")]
TINY = [Component.parse(text) for text in ("tiny_vit", "stg_cma", "event_localisation")]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    threads = torch.get_num_threads()
    monkeypatch.setattr(machine_rate, "PRODUCT_SIDE", {"cpu": 64})
    monkeypatch.setattr(profiling, "cores", lambda: 1)
    monkeypatch.setattr(profiling, "load_plugins", lambda *words, **options: None)
    with registered():
        yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_the_figures_agree_with_each_other(precision):
    m = measure(ProfileRequest(*CELL, batch=2, precision=precision, steps=3))
    assert m["labels"] == ["random weights", "random inputs"]
    assert len(m["step_seconds"]) == m["steps"] == 3
    assert m["step_ms_per_clip"] == pytest.approx(1000 * sorted(m["step_seconds"])[1] / 2)
    operations = 2 * (m["forward_gflops_per_clip"] + m["backward_gflops_per_clip"])
    assert m["fastest_product_gflops_per_second"] == m["product_gflops_per_second"], "too small to leave torch"
    assert m["step_share_of_fastest_product"] == m["step_share"]
    # The products beside a step are never faster than the fastest of all.
    assert m["step_share"] >= 0.999 * min(operations / s / m["product_gflops_per_second"] for s in m["step_seconds"])
    assert m["peak_memory_mb"] > 50
    assert m["data_wait"] is None


def test_checkpointing_is_that_of_a_cell(monkeypatch):
    again = []

    def recompute(*streams, **options):
        again.append(1)
        return checkpointing.recompute(*streams, **options)

    monkeypatch.setattr(encoder, "recompute", recompute)
    assert measure(ProfileRequest(*CELL, steps=1))["checkpointing"] == "auto"
    assert not again
    assert measure(ProfileRequest(*CELL, steps=1, checkpointing="blocks"))["checkpointing"] == "blocks"
    assert again


def test_with_data_the_wait_is_told_and_a_real_loss_trained(monkeypatch):
    seen = []
    monkeypatch.setattr(profiling, "squared", lambda outputs: seen.append(outputs))
    m = measure(ProfileRequest(*CELL, batch=8, precision="fp32", steps=2, data=True))
    assert 0 < m["data_wait"] < 1
    assert m["labels"] == ["random weights", "synthetic data"]
    assert not seen


def test_a_batch_that_the_split_does_not_hold():
    with pytest.raises(UserError, match=r"--batch 100 .* 72 clips"):
        measure(ProfileRequest(*CELL, batch=100, steps=1, data=True))


def test_weights_are_read_only_on_request():
    lost = [CELL[0].with_options(weights="absent"), *CELL[1:]]
    assert measure(ProfileRequest(*lost, steps=1))["labels"][0] == "random weights"
    with pytest.raises(UserError, match="absent"):
        measure(ProfileRequest(*lost, steps=1, pretrained=True))


def test_noise_has_the_backbones_size_and_the_tasks_types():
    task = FakeTask()
    model = build_model(*CELL[:2], task, seed=0, precision="fp32")
    inputs = random_inputs(task, model, 3)
    assert inputs["frames"].shape == (3, 2, 3, 4, 4)
    assert inputs["frames"].dtype == torch.uint8
    assert inputs["waveform"].dtype == torch.int16
    assert inputs["waveform"].float().std() > 1000


def test_training_moves_what_is_trainable_and_nothing_else(monkeypatch):
    kept = []
    monkeypatch.setattr(profiling, "build_model", lambda *a, **k: kept.append(build_model(*a, **k)) or kept[-1])
    measure(ProfileRequest(*CELL, steps=2, precision="fp32"))
    fresh = build_model(*CELL[:2], FakeTask(), seed=0, precision="fp32")
    moved = {n for (n, a), b in zip(kept[0].named_parameters(), fresh.parameters(), strict=True) if not a.equal(b)}
    assert moved
    assert not any(name.startswith("encoder.backbone") for name in moved)


def test_a_process_of_its_own_with_the_allocators_settings():
    before = dict(os.environ)
    m = profile_cell(ProfileRequest(*TINY, steps=1, product_side=64))
    assert m["step_share"] > 0
    assert m["backbone"] == "tiny_vit"
    assert dict(os.environ) == before


def test_mistakes_cross_the_process_border():
    with pytest.raises(UserError, match="ratio"):
        profile_cell(ProfileRequest(TINY[0], Component.parse("stg_cma(ratio=-1)"), TINY[2], steps=1, product_side=64))
