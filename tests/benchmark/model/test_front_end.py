from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from backbones.pictures import PictureSpec, SoundPicture
from benchmark.model.front_end import FrontEnd

GOLDEN = Path(__file__).parents[2] / "golden" / "lavish" / "audio_frontend.npz"
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
SMALL = SoundPicture(mel_bands=8, frame_shift_ms=10.0, frames=6, mean=-4.0, std=3.0)
# AVE on ViT and on Swin, AVQA: mel bands, shift, frames, mean, deviation.
AVE_VIT = SoundPicture(128, 10.0, 102, -4.1426, 3.2001)
AVE_SWIN = SoundPicture(192, 5.2, 192, -4.984795570373535, 3.7079780101776123)
AVQA = SoundPicture(192, 10.0, 192, -5.385333061218262, 3.5928637981414795)


def front_end(sound: SoundPicture = SMALL, size: int = 8) -> FrontEnd:
    return FrontEnd(PictureSpec(size, MEAN, STD, sound))


@pytest.mark.parametrize(
    ("sound", "task", "segment", "seconds", "name"),
    [
        (AVE_VIT, "ave", 0, 1.0, "ave_vit/segment0"),
        (AVE_VIT, "ave", 4, 1.0, "ave_vit/segment4"),
        (AVE_SWIN, "ave", 9, 1.0, "ave_swin/segment9"),
        (AVQA, "avqa", 5, 1.95, "avqa/segment5"),
    ],
)
def test_sound_equals_the_official_front_ends(sound, task, segment, seconds, name):
    golden = np.load(GOLDEN)
    start, samples = golden[f"start_samples/{task}"][segment], int(16_000 * seconds)
    waveform = torch.from_numpy(golden["input/pcm16"][start : start + samples])
    picture = front_end(sound).audio(waveform[None, None])[0, 0]
    assert picture.shape == (3, sound.frames, sound.mel_bands)
    assert torch.equal(picture[0], picture[2])
    for key in (key for key in golden if key.startswith(name)):
        rows = slice(*map(int, key.split("_")[-2:])) if "rows" in key else slice(None)
        torch.testing.assert_close(picture[0, rows], torch.from_numpy(golden[key]), rtol=0, atol=5e-4)


def test_padding_is_zero_after_normalisation():
    picture = front_end().audio(torch.zeros(1, 1, 400 + 160))
    assert torch.all(picture[0, 0, :, 2:] == 0)
    assert torch.all(picture[0, 0, :, :2] < 0)


def test_the_mean_of_channels_is_a_third_of_their_sum():
    waveform = torch.randn(1, 2, 1600)
    mean = front_end(SoundPicture(8, 10.0, 6, -4.0, 3.0, channels="mean")).audio(waveform)
    torch.testing.assert_close(mean.sum(dim=2), front_end().audio(waveform)[:, :, 0])


def test_integers_and_floats_sound_alike():
    samples = (torch.randn(2, 3, 1600) * 3000).short()
    torch.testing.assert_close(front_end().audio(samples), front_end().audio(samples / 32768))


def test_frames_of_the_right_size_are_only_normalised():
    frames = torch.randint(0, 256, (2, 3, 3, 8, 8), dtype=torch.uint8)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    torch.testing.assert_close(front_end().visual(frames), (frames / 255 - mean) / std, rtol=0, atol=1e-5)


def test_frames_are_resized_without_aliasing():
    stripes = torch.zeros(1, 1, 3, 64, 48, dtype=torch.uint8)
    stripes[..., ::2] = 255
    pictures = front_end().visual(stripes) * torch.tensor(STD).view(3, 1, 1) + torch.tensor(MEAN).view(3, 1, 1)
    assert pictures.shape == (1, 1, 3, 8, 8)
    assert (pictures - 0.5).abs().max() < 0.05


def test_everything_else_passes_through():
    inputs = {"waveform": torch.randn(2, 3, 1600), "question": torch.arange(4).view(2, 2)}
    prepared = front_end()(inputs)
    assert prepared.keys() == {"audio", "question"}
    assert prepared["question"] is inputs["question"]


def test_autocast_leaves_sound_alone():
    inputs = {"waveform": torch.randn(2, 3, 1600)}
    with torch.autocast("cpu", torch.bfloat16):
        inside = front_end()(inputs)["audio"]
    assert torch.equal(inside, front_end()(inputs)["audio"])


def test_buffers_are_no_state():
    assert not front_end().state_dict()


@pytest.mark.parametrize(("seconds", "rows"), [(1.95, 192), (1.0, 98)])
def test_the_picture_of_lavish_for_avqa_is_made_for_windows_of_1_95_s(seconds, rows):
    """`avqa(sampling='published')` fills it; windows of a second leave its end empty."""
    sound = torch.randn(1, 1, round(16_000 * seconds), generator=torch.Generator().manual_seed(0)) * 0.1
    picture = front_end(AVQA, 192).audio(sound)[0, 0, 0]
    assert int((picture != 0).any(dim=1).sum()) == rows
