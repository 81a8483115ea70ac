"""Every task is measured under the conditions that say something of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from kept_cells import data_of
from torch.utils.data import Subset

from adapters.scheme import AdapterScheme
from benchmark.grid.expand import build_task
from benchmark.model.build import build_model
from benchmark.stress.measure import stress, without
from registry import Component, register_adapter
from registry.vocabulary import CLEAN, STRESS_FAMILIES, Features, StressScores
from results.render.robustness import show_robustness
from results.statistics.robustness import robustness_of
from tasks.sample.export import export_sample


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("masks")
    export_sample(folder, clips=2, size=32, fps=2, layout="manifest_masks")
    return folder


def measured(adapter: str, task: str, backbone: str = "tiny_vit", clips: int | None = None) -> StressScores:
    """Scores of the test split, or of its first few clips."""
    asked = build_task(Component.parse(task))
    model = build_model(Component.parse(backbone), Component.parse(adapter), asked, seed=0, precision="fp32")
    fitted = asked.with_frames(model.encoder.backbone.picture.size)
    if clips:
        few = Subset(fitted.dataset("test"), range(clips))
        fitted.dataset = lambda split: few
    return stress(model, fitted, batch_size=4, workers=0)


def test_event_localisation_is_measured_under_all(sample: Path) -> None:
    data = data_of(sample, "event_localisation")
    found = measured("stg_cma(ratio=0.25)", f"event_localisation(data={str(data)!r})")
    assert found.conditions[0] == CLEAN
    assert {one.family for one in found.conditions[1:]} == set(STRESS_FAMILIES)
    assert found.scores.shape == (27, 6)
    assert found.left_out == {}
    again = measured("stg_cma(ratio=0.25)", f"event_localisation(data={str(data)!r})")
    assert np.array_equal(found.scores, again.scores)


@pytest.mark.parametrize("options", ["", ", head='cmbs'", ", head='lavish'"])
def test_every_head_does_without_a_stream(sample: Path, options: str) -> None:
    data = data_of(sample, "event_localisation")
    found = measured("lavish", f"event_localisation(data={str(data)!r}{options})", "tiny_clip", clips=2)
    assert np.isfinite(found.scores).all()


@pytest.mark.parametrize("head", ["compact", "stg_cma"])
def test_questions_are_measured(sample: Path, head: str) -> None:
    found = measured("lavish", f"avqa(data={str(data_of(sample, 'avqa'))!r}, head={head!r})", "tiny_swin", clips=2)
    assert {one.family for one in found.conditions[1:]} == set(STRESS_FAMILIES)


def test_one_modality_is_spared_the_conditions_of_the_other(sample: Path) -> None:
    data = data_of(sample, "classification")
    found = measured("lora(rank=2)", f"classification(data={str(data)!r}, modality='visual')")
    assert {one.modality for one in found.conditions[1:]} == {"visual"}
    assert "no_sight" not in {one.family for one in found.conditions}


def test_retrieval_says_why_it_needs_both(sample: Path) -> None:
    found = measured("linear_probe", f"retrieval(data={str(data_of(sample, 'retrieval'))!r})")
    assert set(found.left_out) == {"no_sight", "no_sound", "other_sound"}
    assert not {one.family for one in found.conditions} & set(found.left_out)
    assert set(found.kinds) == {"audio_to_visual", "visual_to_audio"}


@pytest.mark.parametrize("head", ["linear", pytest.param("avsbench", marks=pytest.mark.exhaustive)])
def test_masks_are_measured_without_sound_and_not_without_sight(masks: Path, head: str) -> None:
    found = measured("stg_cma(ratio=0.25)", f"segmentation(data={str(masks)!r}, head={head!r})", "tiny_swin", clips=2)
    assert found.left_out == {"no_sight": "segmentation draws on frames, so it needs sight"}
    assert {"no_sound", "other_sound"} <= {one.family for one in found.conditions}


def test_an_absent_stream_is_not_encoded_and_gives_zeros() -> None:
    asked = []

    def encode(pictures):
        asked.append(set(pictures))
        return {m: Features(torch.ones(1, 2, 3, 4), torch.ones(1, 2, 4)) for m in pictures}

    both = {"visual": torch.ones(1), "audio": torch.ones(1)}
    found = without(encode, "audio")(both)
    assert asked == [{"visual"}]
    assert list(found) == ["visual", "audio"]
    assert not found["audio"].pooled.any()
    assert found["visual"].pooled.all()
    assert not without(encode, "audio")({"audio": torch.ones(1)})["audio"].tokens.any()


def test_an_adapter_that_ignores_sound_is_exposed(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    @register_adapter("deaf", version=1)
    class Deaf(AdapterScheme):
        """Sight alone, said twice."""

        def leave(self, streams, finish):
            seen = finish(streams["visual"]) if "visual" in streams else None
            heard = {m: finish(torch.zeros_like(x)) for m, x in streams.items()}
            silent = {m: Features(0 * own.tokens, 0 * own.pooled) for m, own in heard.items()}
            return silent | ({"visual": seen} if seen else {})

    task = f"event_localisation(data={str(data_of(sample, 'event_localisation'))!r})"
    deaf = robustness_of([(0, measured("deaf", task))])
    assert deaf is not None
    drops = {drop.condition.name: drop.test.difference for drop in deaf.drops}
    for name in ("no_sound", "other_sound", "shifted_sound_2", "noisy_sound_-5"):
        assert (drops[name].mean, drops[name].low, drops[name].high) == (0.0, 0.0, 0.0)
    assert deaf.verdicts == ("does not use sound",)
    show_robustness("deaf", deaf)
    assert "does not use sound" in capsys.readouterr().out
    probe = robustness_of([(0, measured("linear_probe", task))])
    assert probe is not None
    assert probe.verdicts == ()
