"""AVSBench's decoder (ECCV 2022, section 4): dilated convolutions, attention to sound, and fusion coarse to fine.

Frames of all clips are one batch here: N = B · T, the frames of a clip one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS = 256
AUDIO_WIDTH = 128
RATES = (3, 6, 12, 18)
OUT_WIDTHS = (128, 32)


class DilatedConvolutions(nn.ModuleList):
    """Four convolutions of different reach, summed: (N, D, h, w) -> (N, C, h, w)."""

    def __init__(self, dim: int, channels: int = CHANNELS) -> None:
        super().__init__(nn.Conv2d(dim, channels, 3, dilation=rate, padding=rate) for rate in RATES)
        for convolution in self:
            nn.init.normal_(convolution.weight, std=0.01)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        first, *others = self
        total: Tensor = first(x)
        for convolution in others:
            total = total + convolution(x)
        return total


class Tpavi(nn.Module):
    """Temporal pixel-wise audio-visual interaction: each pixel reads all pixels of its clip, weighted by their sound.

    Products are taken without softmax or scale and divided by the number of pixels, so they associate: the square
    matrix of pixels that the published code builds is never needed. Starts as a layer norm, since the scale of its
    batch norm starts at zero.

    Args:
        channels: C, of maps.
        audio: width of the sound vectors.
    """

    def __init__(self, channels: int = CHANNELS, audio: int = AUDIO_WIDTH) -> None:
        super().__init__()
        inner = channels // 2
        self.align = nn.Linear(audio, channels)
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.out = nn.Conv2d(inner, channels, 1)
        self.bn = nn.BatchNorm2d(channels)
        self.norm = nn.LayerNorm(channels)
        nn.init.zeros_(self.bn.weight)
        nn.init.zeros_(self.bn.bias)

    def forward(self, x: Tensor, sound: Tensor, segments: int) -> tuple[Tensor, Tensor]:
        """Maps (N, C, h, w) and sounds (N, A) -> maps (N, C, h, w) and aligned sounds (N, C)."""
        aligned = self.align(sound)
        return self.read(x, self.phi(aligned[..., None, None]), segments), aligned

    def read(self, x: Tensor, keys: Tensor, segments: int) -> Tensor:
        """Pixels that read all pixels of their clip.

        Args:
            x: (N, C, h, w)
            keys: (N, C / 2, h, w), or (N, C / 2, 1, 1) where all pixels of a frame have one.
        """
        values = self.g(x)
        if keys.shape[-2:] != values.shape[-2:]:
            values = values.mean((-2, -1), keepdim=True)
        keys, values = (part.unflatten(0, (-1, segments)).movedim(2, 1).flatten(2) for part in (keys, values))
        weights = keys @ values.transpose(1, 2) / keys.shape[-1]
        queries = self.theta(x).unflatten(0, (-1, segments)).movedim(2, -1)
        read = (queries.flatten(1, 3) @ weights).view(queries.shape).movedim(-1, 2).flatten(0, 1)
        summed = x + self.bn(self.out(read.contiguous()))
        return self.norm(summed.movedim(1, -1)).movedim(-1, 1)


class ResidualUnit(nn.Module):
    """Two convolutions behind activations, added to the rectified input, as the published code's in-place ReLU does."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = x.relu()
        return self.conv2(self.conv1(x).relu()) + x


class Fusion(nn.Module):
    """One stage joins the coarser ones, and the sum is drawn larger.

    Args:
        coarsest: no stage is coarser; the published code has a unit there that it never calls.
    """

    def __init__(self, channels: int, coarsest: bool = False) -> None:
        super().__init__()
        self.skip = None if coarsest else ResidualUnit(channels)
        self.merge = ResidualUnit(channels)

    def forward(self, x: Tensor, coarser: Tensor | None, size: Sequence[int]) -> Tensor:
        """(N, C, h, w) -> (N, C, *size)"""
        if self.skip is not None and coarser is not None:
            x = coarser + self.skip(x)
        return F.interpolate(self.merge(x), size=tuple(size), mode="bilinear", align_corners=True)


class Output(nn.Module):
    """From fused maps to logits at twice their size: (N, C, h, w) -> (N, 1, 2h, 2w)."""

    def __init__(self, channels: int, widths: tuple[int, int] = OUT_WIDTHS) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.conv2 = nn.Conv2d(widths[0], widths[1], 3, padding=1)
        self.conv3 = nn.Conv2d(widths[1], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        drawn = F.interpolate(self.conv1(x), scale_factor=2, mode="bilinear", align_corners=False)
        logits: Tensor = self.conv3(self.conv2(drawn).relu())
        return logits


class Decoder(nn.Module):
    """Four maps of a backbone to logits of four times the finest one's size.

    Args:
        dims: channels of the maps, finest first.
        tpavi: the stages, from 0, whose maps are joined with sound.
        channels: C, of everything inside.
        audio: width of the sound vectors.
        widths: of the convolutions at the end.
    """

    def __init__(
        self,
        dims: Sequence[int],
        tpavi: Sequence[int] = (),
        channels: int = CHANNELS,
        audio: int = AUDIO_WIDTH,
        widths: tuple[int, int] = OUT_WIDTHS,
    ) -> None:
        super().__init__()
        self.dilated = nn.ModuleList(DilatedConvolutions(dim, channels) for dim in dims)
        self.tpavi = nn.ModuleDict({str(stage): Tpavi(channels, audio) for stage in sorted(tpavi)})
        self.fuse = nn.ModuleList(Fusion(channels, coarsest=i == len(dims) - 1) for i in range(len(dims)))
        self.out = Output(channels, widths)

    def forward(
        self, maps: Sequence[Tensor], sound: Tensor | None, segments: int
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Maps (N, D, h, w) of every stage and sounds (N, A) -> logits (N, 1, 4h, 4w), rectified maps, aligned sounds.

        The last two, of the stages with `tpavi`, are what the matching loss compares.
        """
        found = [dilated(x) for dilated, x in zip(self.dilated, maps, strict=True)]
        aligned = []
        for stage, tpavi in self.tpavi.items():
            found[int(stage)], heard = tpavi(found[int(stage)], sound, segments)
            aligned.append(heard)
        fused: Tensor | None = None
        sizes = [tuple(2 * side for side in found[0].shape[-2:]), *(tuple(x.shape[-2:]) for x in found[:-1])]
        for x, fuse, size in zip(reversed(found), reversed(self.fuse), reversed(sizes), strict=True):
            fused = fuse(x, fused, size)
        assert fused is not None
        return self.out(fused), [found[int(stage)].relu() for stage in self.tpavi], aligned
