"""The adapted backbone alone, as a module for somebody else's project."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from benchmark.model.encoder import Encoder
from benchmark.model.front_end import FrontEnd
from benchmark.model.model import autocast
from registry.errors import UserError
from registry.vocabulary import Features, Inputs, Modality, Streams, Width


class AdaptedFeatures(nn.Module):
    """A frozen backbone under a trained adapter: frames and sound in, features out.

    Its trainable parameters are the adapter's (`trainable_parameters`). The backbone stays frozen and in evaluation
    mode whatever is asked of the module around; `requires_grad_(False)` freezes the adapter as well.
    """

    def __init__(self, encoder: Encoder, front_end: FrontEnd, precision: str) -> None:
        super().__init__()
        self.encoder, self.front_end, self.precision = encoder, front_end, precision

    @property
    def dim(self) -> Width:
        """D, the width of features; by modality where two backbones differ in it."""
        return self.encoder.backbone.dim

    def trainable_parameters(self) -> list[nn.Parameter]:
        """The adapter's, as an optimiser takes them."""
        return [parameter for parameter in self.encoder.scheme.parameters() if parameter.requires_grad]

    def requires_grad_(self, requires_grad: bool = True) -> AdaptedFeatures:
        """Train the adapter or not; the backbone stays frozen."""
        self.encoder.scheme.requires_grad_(requires_grad)
        return self

    def forward(self, frames: Tensor | None = None, waveform: Tensor | None = None) -> dict[Modality, Features]:
        """Features of one modality, or of both, which then exchange what the adapter lets them.

        Args:
            frames: (B, T, 3, h, w) uint8, of any size.
            waveform: (B, T, samples) at 16 kHz, floating within -1 and 1 or int16: a window of sound for each segment,
                T as the adapter was trained with where it looks over time.

        Returns:
            By modality `tokens` (B, T, L, D) and `pooled` (B, T, D), float32. Gradients reach the adapter, not the
            inputs.

        Raises:
            UserError: neither is given, or a tensor of another shape or type.
        """
        prepared = self.front_end(_checked(frames, waveform))
        pictures = cast(Streams, {m: prepared[m] for m in ("visual", "audio") if m in prepared})
        device = next(iter(pictures.values())).device.type
        with autocast(device, self.precision):
            found = self.encoder(pictures)
        return {m: Features(features.tokens.float(), features.pooled.float()) for m, features in found.items()}


def _checked(frames: Tensor | None, waveform: Tensor | None) -> Inputs:
    if frames is None and waveform is None:
        raise UserError("features need frames (B, T, 3, h, w), waveform (B, T, samples), or both.")
    inputs: Inputs = {}
    if frames is not None:
        if frames.ndim != 5 or frames.shape[2] != 3 or frames.dtype != torch.uint8:
            raise UserError(f"frames are {_shape(frames)}, expected (B, T, 3, h, w) of torch.uint8, 0 to 255.")
        inputs["frames"] = frames
    if waveform is not None:
        if waveform.ndim != 3 or not (waveform.is_floating_point() or waveform.dtype == torch.int16):
            raise UserError(f"waveform is {_shape(waveform)}, expected (B, T, samples), floating or torch.int16.")
        inputs["waveform"] = waveform
    if frames is not None and waveform is not None and frames.shape[:2] != waveform.shape[:2]:
        raise UserError(f"frames are {_shape(frames)} and waveform {_shape(waveform)}; both need the same B and T.")
    return inputs


def _shape(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} of {tensor.dtype}"
