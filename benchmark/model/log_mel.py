"""Log-mel pictures of many waveforms at once, as Kaldi or CLAP has them, and how augmentation changes them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchaudio.compliance.kaldi import get_mel_banks
from torchaudio.functional import melscale_fbanks, resample

from backbones.pictures import SoundPicture
from registry.vocabulary import SAMPLE_RATE, Inputs

PREEMPHASIS = 0.97
LOWEST_HZ = 20.0
# What a filter without energy shows: the logarithm of the smallest step of a float near one, as in Kaldi.
FLOOR = torch.finfo(torch.float32).eps

HIDDEN, ROLL, NOISE = SOUND_CHANGES = ("sound_hidden", "sound_roll", "sound_noise")
"""Inputs that say how log-mel pictures change, see `change_sound`."""

CACHED = 2**18
"""Numbers of frames that a processor transforms at once: more leave its cache, and take up to twice as long."""


class LogMel(nn.Module):
    """Waveforms to log-mel energies: (..., samples) -> (..., frames, F).

    The numbers of `torchaudio.compliance.kaldi.fbank` (htk_compat, Hann window, no dither, no energy, snipped edges),
    which takes one waveform at a time, within 1e-5 on a CPU. Frames beyond `frames` are never computed; where the sound
    is too short for that many, fewer are returned.

    Args:
        bands: F, mel filters from 20 Hz to half the sample rate.
        shift_ms: from the start of one frame to the next.
        window_ms: length of one frame.
        frames: the most frames to return.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, bands: int, shift_ms: float, window_ms: float, frames: int) -> None:
        super().__init__()
        # The order of the factors decides how 5.2 ms is rounded; this is Kaldi's.
        self.shift = int(SAMPLE_RATE * shift_ms * 0.001)
        self.width = int(SAMPLE_RATE * window_ms * 0.001)
        self.frames = frames
        self.spectrum = 1 << (self.width - 1).bit_length()
        self.register_buffer("window", torch.hann_window(self.width, periodic=False), persistent=False)
        self.register_buffer("filters", _filters(bands, self.spectrum), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """(..., samples) in -1..1 -> (..., at most `frames`, F)."""
        if waveform.shape[-1] < self.width:
            return waveform.new_zeros(*waveform.shape[:-1], 0, self.filters.shape[1])
        rows = waveform.flatten(0, -2) if waveform.ndim > 1 else waveform.unsqueeze(0)
        at_once = len(rows) if rows.is_cuda else max(1, CACHED // (self.frames * self.spectrum))
        energies = torch.cat([self._energies(self._framed(piece)) for piece in rows.split(at_once)])
        return energies.clamp_min_(FLOOR).log_().reshape(*waveform.shape[:-1], *energies.shape[1:])

    def _framed(self, waveform: Tensor) -> Tensor:
        """Frames without their mean, pre-emphasised, windowed, padded: (..., samples) -> (..., frames, spectrum)."""
        frames = waveform.unfold(-1, self.width, self.shift)[..., : self.frames, :]
        frames = frames - frames.mean(dim=-1, keepdim=True)
        # Padding here spares the transform a copy, which costs as much as the transform.
        padded = frames.new_zeros(*frames.shape[:-1], self.spectrum)
        emphasised = padded[..., : self.width]
        # Product and difference are rounded one by one, as Kaldi's are: in the bins where a tone cancels, a last bit
        # here is a hundredth in the logarithm.
        torch.mul(frames[..., :-1], -PREEMPHASIS, out=emphasised[..., 1:])
        # The first sample has no predecessor and is set against itself.
        torch.mul(frames[..., 0], -PREEMPHASIS, out=emphasised[..., 0])
        emphasised.add_(frames).mul_(self.window)
        return padded

    def _energies(self, frames: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(frames)
        return (spectrum.real.square() + spectrum.imag.square()) @ self.filters


class ClapMel(nn.Module):
    """Waveforms to the mel spectrograms of CLAP, in decibels: (..., samples) -> (..., frames, F).

    The numbers of transformers' `ClapFeatureExtractor` on sound resampled to 48 kHz: Slaney's filters from 50 Hz to
    14 kHz, frames of 1024 samples, each centred on its place.

    Args:
        bands: F.
        shift_ms: from the start of one frame to the next.
        frames: the most frames to return.
    """

    rate, width, lowest_hz, highest_hz, floor = 48_000, 1024, 50.0, 14_000.0, 1e-10
    silence = -100.0
    """Decibels of the floor."""
    window: Tensor
    filters: Tensor

    def __init__(self, bands: int, shift_ms: float, frames: int) -> None:
        super().__init__()
        self.shift, self.frames = int(self.rate * shift_ms * 0.001), frames
        window, bins = torch.hann_window(self.width), self.width // 2 + 1
        # They are chosen by their own values, which the meta device has not.
        with torch.device("cpu"):
            filters = melscale_fbanks(
                bins, self.lowest_hz, self.highest_hz, bands, self.rate, norm="slaney", mel_scale="slaney"
            )
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("filters", filters.to(window.device), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """(..., samples) in -1..1 at the project's rate -> (..., at most `frames`, F)."""
        rows = resample(waveform.reshape(-1, waveform.shape[-1]), SAMPLE_RATE, self.rate)
        if rows.shape[-1] <= self.width // 2:
            return rows.new_zeros(*waveform.shape[:-1], 0, self.filters.shape[1])
        spectrum = torch.stft(rows, self.width, self.shift, window=self.window, pad_mode="reflect", return_complex=True)
        power = (spectrum.real.square() + spectrum.imag.square()).mT[:, : self.frames] @ self.filters
        decibels = 10 * power.clamp_min(self.floor).log10()
        return decibels.reshape(*waveform.shape[:-1], *decibels.shape[1:])


def log_mel_of(sound: SoundPicture) -> LogMel | ClapMel:
    """What makes the pictures of sound."""
    if sound.filters == "clap":
        return ClapMel(sound.mel_bands, sound.frame_shift_ms, sound.frames)
    return LogMel(sound.mel_bands, sound.frame_shift_ms, sound.window_ms, sound.frames)


def _filters(bands: int, spectrum: int) -> Tensor:
    """Triangular mel filters over the bins of a real spectrum: (spectrum / 2 + 1, F)."""
    filters, _ = get_mel_banks(bands, spectrum, float(SAMPLE_RATE), LOWEST_HZ, 0.0, 100.0, -500.0, 1.0)
    # The filters leave out the bin at half the sample rate.
    return nn.functional.pad(filters, (0, 1)).T.contiguous()


def change_sound(pictures: Tensor, inputs: Inputs) -> Tensor:
    """Normalised log-mel pictures (B, T, frames, F) with the changes among the inputs: masks, noise, then the roll.

    Masked values become 0, the mean of the data; frames that are rolled over one end come in at the other.
    """
    if HIDDEN in inputs:
        band, bands, frame, frames = inputs[HIDDEN][..., None].unbind(-2)
        pictures = pictures.masked_fill(_within(band, bands, pictures.shape[-1])[..., None, :], 0.0)
        pictures = pictures.masked_fill(_within(frame, frames, pictures.shape[-2])[..., None], 0.0)
    if NOISE in inputs:
        pictures = pictures + inputs[NOISE]
    if ROLL in inputs:
        places = torch.arange(pictures.shape[-2], device=pictures.device) - inputs[ROLL][..., None]
        source = places.remainder(pictures.shape[-2])[..., None].expand_as(pictures)
        pictures = pictures.gather(-2, source)
    return pictures


def _within(first: Tensor, count: Tensor, size: int) -> Tensor:
    """Which of `size` places a span covers: (B, T, 1) each -> (B, T, size) bool."""
    places = torch.arange(size, device=first.device)
    return (places >= first) & (places < first + count)
