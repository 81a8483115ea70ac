from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchaudio.compliance.kaldi import fbank

from benchmark.log_mel import LogMel

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


@pytest.mark.parametrize(("bands", "shift_ms", "samples"), PUBLISHED)
@pytest.mark.parametrize("loudness", [1e-4, 0.1])
def test_equals_kaldi(bands: int, shift_ms: float, samples: int, loudness: float):
    waveform = loudness * torch.randn(2, 3, samples, generator=torch.Generator().manual_seed(bands))
    energies = LogMel(bands, shift_ms, 25.0, 1000)(waveform)
    for clip, segment in ((0, 0), (1, 2)):
        expected = reference(waveform[clip, segment], bands, shift_ms)
        assert energies.shape[2:] == expected.shape
        # Single bins in which noise cancels carry the rounding of the transform; pictures divide it by 2σ, about 7.
        torch.testing.assert_close(energies[clip, segment], expected, rtol=0, atol=7e-4)
        assert (energies[clip, segment] - expected).abs().mean() < 2e-6


@settings(max_examples=25, deadline=None)
@given(samples=st.integers(400, 4000), shift_ms=st.floats(1.0, 40.0), bands=st.integers(4, 64))
def test_any_setting_equals_kaldi(samples: int, shift_ms: float, bands: int):
    waveform = 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(samples))
    energies = LogMel(bands, shift_ms, 25.0, 10_000)(waveform)
    torch.testing.assert_close(energies, reference(waveform, bands, shift_ms), rtol=0, atol=5e-3)


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
