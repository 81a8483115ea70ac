"""HTS-AT: the numbers of transformers, their files and spectrograms, and what it hears."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from backbones.backbone import Backbone
from backbones.families.audio.htsat import SOUND, HtsatTower, htsat, load_htsat, read_htsat
from backbones.families.weights import local_file
from backbones.pictures import PictureSpec, SoundPicture
from benchmark.cost.describe import count
from benchmark.model import log_mel
from benchmark.model.front_end import FrontEnd
from registry import Component
from registry.errors import UserError, WeightsError

PICTURE = PictureSpec(32, (0.5,) * 3, (0.5,) * 3, SOUND)
HEARD = SoundPicture(8, 10.0, 13, 0.0, 0.5, stem="own", filters="clap")
PARTS = {
    "attn.proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
}


def noisy(model: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(std=0.3)
                module.running_var.uniform_(0.5, 2.0)
    return model.eval()


def tower() -> HtsatTower:
    torch.manual_seed(0)
    return noisy(HtsatTower(16, (2, 1), (2, 4), 32, 4, 8))


def saved(built: HtsatTower, path, start: str) -> None:
    """A file of a small tower under the names of transformers."""
    found = {}
    for name, value in built.state_dict().items():
        if not name.startswith("swin.layers."):
            found[name.replace("band_norm", "batch_norm").removeprefix("swin.")] = value
            continue
        _, _, stage, rest = name.split(".", 3)
        if rest.startswith("downsample."):
            found[f"layers.{int(stage) - 1}.{rest}"] = value
            continue
        _, block, rest = rest.split(".", 2)
        here = f"layers.{stage}.blocks.{block}"
        part, kind = rest.rsplit(".", 1)
        if part == "attn.qkv":
            for letter, third in zip(("query", "key", "value"), value.chunk(3), strict=True):
                found[f"{here}.attention.self.{letter}.{kind}"] = third.clone()
        elif kind.startswith("relative_position"):
            found[f"{here}.attention.self.{kind}"] = value
        else:
            found[f"{here}.{PARTS[part]}.{kind}"] = value
    found = {f"{start}audio_encoder.{name}": value.contiguous() for name, value in found.items()}
    beside = {
        "text_model.x": torch.ones(1),
        "audio_projection.linear1.weight": torch.ones(1),
        "logit_scale_a": torch.ones(1),
    }
    save_file(found | (beside if start else {}), path)


def features(backbone: Backbone, pictures: torch.Tensor):
    x = backbone.embed(pictures)
    for block in backbone.blocks:
        x = block.enter(x)
        x = x + block.attend(x)
        x = x + block.feed_forward(x)
    return backbone.finish(x)


@pytest.mark.parametrize("start", ["", "audio_model."], ids=["the tower", "a whole CLAP"])
def test_files_of_transformers_names(start, tmp_path):
    built = tower()
    saved(built, tmp_path / "clap.safetensors", start)
    loaded = load_htsat(local_file(str(tmp_path / "clap.safetensors"), "htsat"), side=32)
    assert loaded.state_dict().keys() == built.state_dict().keys()
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, built.state_dict()[name]), name


@pytest.mark.parametrize("frames", [101, 256], ids=["stretched", "as it is"])
def test_the_numbers_of_transformers(frames, tmp_path):
    transformers = pytest.importorskip("transformers", reason="needs transformers: pip install -e '.[reference]'")
    torch.manual_seed(0)
    config = transformers.ClapAudioConfig(
        spec_size=64, num_mel_bins=16, window_size=4, hidden_size=64, depths=(2, 2, 1), num_attention_heads=(2, 4, 8),
        patch_embeds_hidden_size=16, num_hidden_layers=3, attn_implementation="eager",
    )  # fmt: skip
    theirs = noisy(transformers.ClapAudioModel(config))
    theirs.save_pretrained(tmp_path)
    loaded = load_htsat(local_file(str(tmp_path), "htsat"), side=64)
    sound = SoundPicture(16, 10.0, frames, 0.0, 0.5, stem="own", filters="clap")
    backbone = read_htsat(loaded, PictureSpec(32, (0.5,) * 3, (0.5,) * 3, sound))
    heard = torch.randn(2, frames, 16)
    expected = theirs(heard[:, None])
    found = features(backbone, heard[:, None, None])
    # Theirs come band by band: rows of the folded square are bands within pieces of time.
    tokens = found.tokens[:, 0].mT.unflatten(2, (4, 1, 4)).transpose(2, 3).flatten(3).flatten(2)
    torch.testing.assert_close(tokens, expected.last_hidden_state.flatten(2), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.pooled[:, 0], expected.pooler_output, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("rate", "above", "apart"), [(16_000, -30, 0.1), (48_000, -60, 0.01)], ids=["16 kHz", "48 kHz"]
)
def test_the_spectrograms_of_transformers(rate, above, apart, monkeypatch):
    """Ours is resampled from 16 kHz, and alike where there is something to hear; at their own rate it is alike."""
    transformers = pytest.importorskip("transformers", reason="needs transformers: pip install -e '.[reference]'")
    monkeypatch.setattr(log_mel, "SAMPLE_RATE", rate)
    seconds = torch.arange(480_000) / 48_000
    tones = sum(torch.sin(2 * torch.pi * hertz * seconds) for hertz in (220.0, 880.0, 3_000.0)) / 4
    extractor = transformers.ClapFeatureExtractor(frequency_min=50, frequency_max=14_000, truncation="rand_trunc")
    theirs = extractor(tones.numpy(), sampling_rate=48_000, return_tensors="pt")["input_features"][0, 0]
    ours = FrontEnd(PICTURE)({"waveform": tones[None, None, : 48_000 : 48_000 // rate]})["audio"]
    assert ours.shape == (1, 1, 1, 101, 64)
    loud = theirs[5:95] > above
    assert loud.sum() > 500
    torch.testing.assert_close(ours[0, 0, 0, 5:95][loud], theirs[5:95][loud], rtol=0, atol=apart)


def test_silence_is_silent_and_short_sound_is_followed_by_it():
    heard = FrontEnd(PICTURE)({"waveform": torch.zeros(1, 2, 16_000)})["audio"]
    torch.testing.assert_close(heard, torch.full((1, 2, 1, 101, 64), -100.0))
    short = FrontEnd(PICTURE)({"waveform": torch.randn(1, 1, 8_000)})["audio"]
    assert (short[..., 51:, :] == -100).all()
    assert (short[..., :50, :20] > -60).all()


def test_time_is_folded_in_pieces_of_the_square():
    """As in transformers' `reshape_mel2img`: row r of piece p shows band r of the p-th quarter of the time."""
    backbone = read_htsat(tower(), PictureSpec(32, (0.5,) * 3, (0.5,) * 3, HEARD.override({"frames": 128})))
    stem = backbone.stem
    stem.band_norm.running_mean.zero_()
    stem.band_norm.running_var.fill_(1.0)
    nn.init.ones_(stem.band_norm.weight)
    nn.init.zeros_(stem.band_norm.bias)
    pictures = torch.randn(2, 1, 128, 8)
    folded = stem.fold(pictures)
    for piece in range(4):
        expected = pictures[:, 0, 32 * piece : 32 * (piece + 1)].mT
        torch.testing.assert_close(folded[:, 0, 8 * piece : 8 * (piece + 1)], expected, rtol=1e-4, atol=1e-4)


def test_it_hears_and_does_not_see():
    backbone = read_htsat(tower(), PictureSpec(32, (0.5,) * 3, (0.5,) * 3, HEARD))
    with pytest.raises(UserError, match="modality='audio'"):
        backbone.embed(torch.randn(1, 2, 3, 32, 32))
    with pytest.raises(UserError, match="at most 128 frames of 8 mel bands"):
        backbone.embed(torch.randn(1, 2, 1, 129, 8))
    found = features(backbone, torch.randn(1, 2, 1, 13, 8))
    torch.testing.assert_close(found.pooled, found.tokens.mean(2))
    assert backbone.tokens("audio") == [64, 64, 16]


def test_parameters_of_the_published_model():
    """transformers' ClapAudioModel at its defaults, instantiated."""
    facts = count(Component.parse("htsat(weights='none')"), Component("linear_probe"), AUDIO)
    assert facts["backbone"] == 27_534_488


AUDIO = Component.parse("event_localisation(modality='audio')")


def test_foreign_files_are_refused_in_one_line(tmp_path):
    save_file({"audio_encoder.norm.weight": torch.zeros(8)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="holds no HTS-AT"):
        htsat(weights=str(tmp_path / "other.safetensors"))
