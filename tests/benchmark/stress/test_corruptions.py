from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.data import Dataset

from benchmark.stress import corruptions
from benchmark.stress.corruptions import ClipsWithOtherSound, add_noise, blur, conditions_of, darken, grain, shift_sound
from registry.vocabulary import MODALITIES, SAMPLE_RATE, STRESS_FAMILIES

FRAMES = torch.randint(0, 256, (2, 3, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
SOUND = (
    torch.randn(2, 3, SAMPLE_RATE, generator=torch.Generator().manual_seed(1)) * torch.tensor([0.1, 0.3])[:, None, None]
)
INPUTS = {"frames": FRAMES, "waveform": SOUND, corruptions.OTHER: SOUND.flip(0)}


class Sounds(Dataset[Any]):
    """Clips of these sounds."""

    def __init__(self, sounds: list[float]) -> None:
        self.sounds = sounds

    def __len__(self) -> int:
        return len(self.sounds)

    def __getitem__(self, index: int) -> Any:
        return {"inputs": {"waveform": torch.full((1, 2), self.sounds[index])}, "targets": {"id": str(index)}}


@pytest.mark.parametrize("condition", conditions_of(MODALITIES), ids=lambda condition: condition.name)
def test_every_condition_changes_its_modality_alone_and_in_the_same_way_each_time(condition) -> None:
    change = conditions_of(MODALITIES)[condition]
    before = {name: tensor.clone() for name, tensor in INPUTS.items()}
    first, second = (change(dict(INPUTS), ["a", "b"]) for _ in range(2))
    own, other = ("waveform", "frames") if condition.modality == "audio" else ("frames", "waveform")
    assert torch.equal(first[own], second[own])
    assert torch.equal(first[other], INPUTS[other])
    # Streams that are taken away are so in the encoder.
    assert torch.equal(first[own], INPUTS[own]) == (condition.family in ("no_sight", "no_sound"))
    assert all(torch.equal(tensor, before[name]) for name, tensor in INPUTS.items())


def test_noise_is_drawn_by_the_name_of_a_clip_whatever_its_batch() -> None:
    noisy = next(
        change for condition, change in conditions_of(MODALITIES).items() if condition.name == "noisy_sound_10"
    )
    both = noisy(dict(INPUTS), ["a", "b"])["waveform"]
    alone = noisy({"waveform": SOUND[1:], "frames": FRAMES[1:]}, ["b"])["waveform"]
    assert torch.equal(both[1:], alone)
    assert not torch.equal(noisy(dict(INPUTS), ["a", "c"])["waveform"][1], both[1])


def test_a_modality_that_a_cell_does_not_look_at_is_left_alone() -> None:
    of_sight = conditions_of(("visual",))
    assert {condition.family for condition in of_sight} == {"dark_frames", "blurred_frames", "noisy_frames"}
    assert {condition.family for condition in conditions_of(("audio",))} == {"shifted_sound", "noisy_sound"}
    assert list(dict.fromkeys(condition.family for condition in conditions_of(MODALITIES))) == list(STRESS_FAMILIES)


def test_sound_comes_later_and_its_end_first() -> None:
    shifted = shift_sound(SOUND, 0.5)
    line, late = SOUND.flatten(1), shifted.flatten(1)
    assert torch.equal(late[:, SAMPLE_RATE // 2 :], line[:, : -SAMPLE_RATE // 2])
    assert torch.equal(late[:, : SAMPLE_RATE // 2], line[:, -SAMPLE_RATE // 2 :])


@pytest.mark.parametrize("ratio", [20, 0, -5])
def test_noise_has_the_asked_ratio_to_each_clip(ratio: int) -> None:
    generators = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
    noise = add_noise(SOUND, ratio, generators) - SOUND
    found = 10 * torch.log10(SOUND.square().mean((1, 2)) / noise.square().mean((1, 2)))
    assert found.tolist() == pytest.approx([ratio, ratio], abs=0.1)
    silence = torch.zeros(1, 3, 100)
    assert torch.equal(add_noise(silence, ratio, generators[:1]), silence)


def test_frames_become_dark_blurred_and_noisy_as_said() -> None:
    assert darken(FRAMES, 40).float().mean() == pytest.approx(0.4 * FRAMES.float().mean(), abs=0.5)
    even = torch.full((1, 1, 3, 224, 224), 128, dtype=torch.uint8)
    assert torch.equal(blur(even, 6), even)
    dot = torch.zeros(1, 1, 3, 224, 224, dtype=torch.uint8)
    dot[..., 112, 112] = 255
    row = blur(dot, 100 * 2 / 224)[0, 0, 0, 112].float()
    assert row.argmax() == 112
    assert row[112] == pytest.approx(255 / (2 * torch.pi * 2**2), abs=1)
    noise = grain(even, 12, [torch.Generator().manual_seed(0)]).float() - 128
    assert noise.std() == pytest.approx(0.12 * 255, rel=0.02)


def test_every_clip_is_lent_a_sound_that_is_not_its_own() -> None:
    clips = ClipsWithOtherSound(Sounds([1.0, 2.0, 3.0, 4.0, 5.0]))
    lent = [float(clips[i]["inputs"][corruptions.OTHER][0, 0]) for i in range(len(clips))]
    assert sorted(lent) == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert all(other != own for other, own in zip(lent, [1.0, 2.0, 3.0, 4.0, 5.0], strict=True))


def test_a_clip_of_the_same_sound_lends_none() -> None:
    clips = ClipsWithOtherSound(Sounds([1.0, 1.0, 1.0, 2.0]))
    lent = [float(clips[i]["inputs"][corruptions.OTHER][0, 0]) for i in range(len(clips))]
    assert lent[:3] == [2.0, 2.0, 2.0]
    assert lent[3] == 1.0


def test_the_table_names_every_family() -> None:
    assert corruptions.__doc__
    assert all(f"`{family}`" in corruptions.__doc__ for family in STRESS_FAMILIES)
