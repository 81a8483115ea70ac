"""Pictures for a frozen backbone: frames resized and normalised, sound as log-mel pictures."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backbones.backbone import PictureSpec
from benchmark.model.log_mel import SOUND_CHANGES, ClapMel, change_sound, log_mel_of
from registry.vocabulary import Inputs, Modality

INT16_SCALE = 1 / 32768
PICTURED = {"frames": "visual", "negative_frames": "negative"}
"""Inputs of frames, and what their pictures are called."""
PICTURES: dict[str, Modality] = {**dict.fromkeys(PICTURED.values(), "visual"), "audio": "audio"}
"""Every picture of prepared inputs, and the modality that it is of."""


class FrontEnd(nn.Module):
    """Turns a collated batch into the pictures a backbone was made for, on the device that the batch is on.

    `frames` (B, T, 3, h, w) uint8 becomes `visual` (B, T, 3, S, S), `waveform` (B, T, samples) at 16 kHz becomes
    `audio` (B, T, 3, frames, F), rows in time; everything else passes through. `negative_frames`, those of other clips,
    become `negative`. What `benchmark.data.augment` drew for sound is done to its pictures.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, picture: PictureSpec) -> None:
        super().__init__()
        self.size = (picture.size, picture.size)
        self.sound = picture.sound
        self.log_mel = log_mel_of(self.sound)
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (picture.mean, picture.std))
        self.register_buffer("scale", 1 / (255 * std), persistent=False)
        self.register_buffer("shift", -mean / std, persistent=False)

    @torch.no_grad()
    def forward(self, inputs: Inputs) -> Inputs:
        """The same mapping with `frames` and `waveform` replaced by `visual` and `audio`."""
        passed = {name: value for name, value in inputs.items() if name not in (*PICTURED, *SOUND_CHANGES, "waveform")}
        for frames, pictures in PICTURED.items():
            if frames in inputs:
                passed[pictures] = self.visual(inputs[frames])
        if "waveform" in inputs:
            # Logarithms of sums over a bfloat16 spectrum would be noise, so autocast stays out.
            with torch.autocast(inputs["waveform"].device.type, enabled=False):
                passed["audio"] = self.audio(inputs["waveform"], inputs)
        return passed

    def visual(self, frames: Tensor) -> Tensor:
        """Bilinear with antialias to S×S, then the stem's mean and deviation: (B, T, 3, h, w) -> (B, T, 3, S, S)."""
        pictures = frames.flatten(0, 1).float()
        if pictures.shape[-2:] != self.size:
            pictures = F.interpolate(pictures, size=self.size, mode="bilinear", antialias=True)
        return (pictures * self.scale).add_(self.shift).unflatten(0, frames.shape[:2])

    def audio(self, waveform: Tensor, changes: Inputs | None = None) -> Tensor:
        """Log-mel energies, normalised: (B, T, samples) -> (B, T, 3, frames, F).

        What is missing in time is padded with zeros, or with silence where energies are in decibels. One channel
        instead of three where sound has a stem of its own.
        """
        sound = self.sound
        waveform = waveform.float() if waveform.is_floating_point() else waveform.float() * INT16_SCALE
        energies = (self.log_mel(waveform) - sound.mean) / (2 * sound.std)
        # Zero is what is normal behind Kaldi's, and full loudness in decibels.
        beyond = (ClapMel.silence - sound.mean) / (2 * sound.std) if sound.filters == "clap" else 0.0
        pictures = F.pad(energies, (0, 0, 0, sound.frames - energies.shape[-2]), value=beyond)
        pictures = change_sound(pictures, changes or {})
        if sound.stem == "own":
            return pictures.unsqueeze(2)
        if sound.channels == "mean":
            # Three equal channels reach the stem as the sum of its colour weights; a third of each is their mean.
            pictures = pictures / 3
        return pictures.unsqueeze(2).expand(-1, -1, 3, -1, -1)
