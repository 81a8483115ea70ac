from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchaudio.compliance.kaldi import fbank

from benchmark.model import log_mel
from benchmark.model.log_mel import LogMel

# Mel bands, frame shift in ms, samples of a segment: the four set-ups of LAVISH, the Swin one of STG-CMA, ours.
PUBLISHED = [(128, 10.0, 16_000), (192, 5.2, 16_000), (192, 10.0, 31_200), (224, 4.4, 31_200), (32, 31.25, 16_000)]


def reference(waveform: torch.Tensor, bands: int, shift_ms: float) -> torch.Tensor:
    return fbank(
        waveform[None],
        htk_compat=True,
        sample_frequency=16_000,
        use_energy=False,
        window_type="hanning",
        num_mel_bins=bands,
        dither=0.0,
        frame_shift=shift_ms,
    )


def sounds(samples: int) -> dict[str, torch.Tensor]:
    """(2, 3, samples) each: noise, and tones, whose side bands cancel to a billionth of the energy in the frame."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2, 3, samples, generator=generator)
    pitch, time = 100 + 2000 * torch.rand(2, 3, 1, generator=generator), torch.arange(samples) / 16_000
    tone = 0.5 * torch.sin(2 * torch.pi * pitch * time)
    chirp = 0.3 * torch.sin(2 * torch.pi * pitch * time.square()) + 1e-3 * noise
    return {
        "quiet": 1e-4 * noise,
        "loud": 0.1 * noise,
        "tone": tone,
        "16 bit": (tone * 32767).round() / 32768,
        "chirp": chirp,
    }


@pytest.mark.parametrize(("bands", "shift_ms", "samples"), PUBLISHED)
@pytest.mark.parametrize("kind", ["quiet", "loud", "tone", "16 bit", "chirp"])
def test_equals_kaldi(bands: int, shift_ms: float, samples: int, kind: str):
    waveform = sounds(samples)[kind]
    energies = LogMel(bands, shift_ms, 25.0, 1000)(waveform)
    for clip, segment in ((0, 0), (1, 2)):
        expected = reference(waveform[clip, segment], bands, shift_ms)
        assert energies.shape[2:] == expected.shape
        torch.testing.assert_close(energies[clip, segment], expected, rtol=0, atol=1e-4)


@settings(max_examples=50, deadline=None)
@given(samples=st.integers(400, 4000), shift_ms=st.floats(1.0, 40.0), bands=st.integers(4, 64))
def test_any_setting_equals_kaldi(samples: int, shift_ms: float, bands: int):
    waveform = 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(samples))
    energies = LogMel(bands, shift_ms, 25.0, 10_000)(waveform)
    torch.testing.assert_close(energies, reference(waveform, bands, shift_ms), rtol=0, atol=1e-4)


def test_an_offset_of_the_waveform_changes_nothing():
    waveform = 0.1 * torch.randn(16_000, generator=torch.Generator().manual_seed(0))
    log_mel = LogMel(64, 10.0, 25.0, 98)
    torch.testing.assert_close(log_mel(waveform + 0.25), log_mel(waveform), rtol=0, atol=1e-2)


def test_frames_beyond_the_asked_are_cut():
    waveform = torch.randn(16_000)
    whole, cut = LogMel(32, 10.0, 25.0, 1000), LogMel(32, 10.0, 25.0, 20)
    assert whole(waveform).shape == (98, 32)
    assert torch.equal(cut(waveform), whole(waveform)[:20])


def test_a_sound_shorter_than_one_frame_has_none():
    assert LogMel(32, 10.0, 25.0, 20)(torch.zeros(2, 3, 399)).shape == (2, 3, 0, 32)


def test_silence_is_the_floor():
    assert torch.all(LogMel(32, 10.0, 25.0, 20)(torch.zeros(16_000)) == torch.tensor(2.0**-23).log())


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_waveforms_piece_by_piece_have_the_same_bits(at_once, monkeypatch):
    front = LogMel(bands=16, shift_ms=10.0, window_ms=25.0, frames=20)
    waveforms = torch.randn(2, 4, 4000, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([torch.stack([front(waveform) for waveform in clip]) for clip in waveforms])
    monkeypatch.setattr(log_mel, "CACHED", at_once * 20 * front.spectrum)
    assert torch.equal(front(waveforms), expected)
