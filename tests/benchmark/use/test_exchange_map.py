from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from kept_cells import Kept, data_of

import benchmark
from benchmark.model.build import build_backbone
from benchmark.use.clips import UserClip, find_clips, read_clip
from benchmark.use.exchange_map import ExchangeMap, _grid, exchange_map
from registry import Component
from tasks.media.encode import encode_clip


@pytest.fixture
def clip(sample: Path) -> UserClip:
    return find_clips([data_of(sample, "event_localisation") / "videos" / "syn00000012.mp4"])[0]


def test_an_adapter_that_exchanges_has_a_map_beside_its_control(kept: dict[str, Kept], clip: UserClip) -> None:
    model = benchmark.load(kept["event_localisation"].folder)
    found = exchange_map(model, clip)
    assert found.heard is not None
    assert found.control is not None
    assert found.heard.shape == found.control.shape == (10, 8, 8)
    assert (found.heard >= 0).all()
    assert not np.array_equal(found.heard, found.control)
    assert found.says.startswith("Tokens of sight moved by ")

    read = read_clip(clip, model.config.model).clip.inputs()
    frames, waveform = read["frames"][None], read["waveform"][None]
    with torch.inference_mode():
        alone, both = (model.features(frames, sound)["visual"].tokens[0, 3] for sound in (None, waveform))
    place = both[1 + 8 * 2 + 5] - alone[1 + 8 * 2 + 5]
    assert found.heard[3, 2, 5] == pytest.approx(float(place.norm() / alone[1 + 8 * 2 + 5].norm()), rel=1e-4)


@pytest.mark.parametrize("task", ["classification", "retrieval", "avqa"])
def test_one_that_exchanges_nothing_says_so(task: str, kept: dict[str, Kept], clip: UserClip) -> None:
    found = exchange_map(benchmark.load(kept[task].folder), clip)
    assert (found.heard, found.control) == (None, None)
    assert found.says == "Sight is the same with and without sound, but for rounding: nothing is exchanged here."


def test_without_sound_there_is_no_map(kept: dict[str, Kept], tmp_path: Path) -> None:
    encode_clip(tmp_path / "mute.mp4", np.zeros((20, 32, 32, 3), np.uint8), 2, None)
    found = exchange_map(benchmark.load(kept["event_localisation"].folder), find_clips([tmp_path / "mute.mp4"])[0])
    assert found.heard is None
    assert found.says.startswith("There is no sound")


def test_next_to_nothing_is_not_painted_like_something() -> None:
    little, much = np.full((1, 2, 2), 1e-4, np.float32), np.full((1, 2, 2), 0.5, np.float32)
    assert ExchangeMap(little, little, "").scale == pytest.approx(0.01)
    assert ExchangeMap(little, much, "").scale == 0.5


@pytest.mark.parametrize("backbone", ["tiny_vit", "tiny_clip", "tiny_swin"])
def test_places_lie_on_a_grid_whatever_the_family(backbone: str) -> None:
    built = build_backbone(Component(backbone))
    model = SimpleNamespace(features=SimpleNamespace(encoder=SimpleNamespace(backbone=built)))
    size = built.picture.size
    streams = built.embed(torch.zeros(1, 2, 3, size, size))
    for block in built.blocks:
        streams = block.enter(streams)
    grid = _grid(streams[0], model)
    assert grid is not None
    assert grid in (2, 4, 8)
    assert _grid(torch.zeros(2, 30, 4), model) is None
