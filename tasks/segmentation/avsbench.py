"""AVSBench's decoder on the stages of a frozen backbone, as LAVISH and STG-CMA use it."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from registry.errors import UserError
from registry.vocabulary import MODALITIES, Encode, Inputs, Modality, Outputs, Stage, Targets, Width
from tasks.heads import widths_of
from tasks.segmentation.decoder import AUDIO_WIDTH, CHANNELS, OUT_WIDTHS, Decoder
from tasks.segmentation.head import SegmentationHead, as_map
from tasks.segmentation.losses import audio_matching

WIDTHS = (64, 128, 320, 512)
"""Channels of the four maps, those of PVT-v2, for which the decoder was made."""


class StageProjection(nn.ModuleList):
    """The four stages of a backbone, each projected token by token, then resized to the grids of PVT-v2 (bicubic)."""

    def __init__(self, stages: Sequence[Stage], side: int | None, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__(nn.Linear(stage.width, width) for stage, width in zip(stages, widths, strict=True))
        self.side = side

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """(N, D, g, g) of each stage -> (N, width, M / 4, M / 4), (N, width, M / 8, M / 8), …"""
        projected = [project(x.movedim(1, -1)).movedim(-1, 1) for project, x in zip(self, maps, strict=True)]
        return [self._resized(x, 2 + i) for i, x in enumerate(projected)]

    def _resized(self, x: Tensor, halvings: int) -> Tensor:
        side = self.side and self.side >> halvings
        if not side or x.shape[-1] == side:
            return x
        return F.interpolate(x.float(), size=(side, side), mode="bicubic", align_corners=False)


class FeaturePyramid(nn.Module):
    """Four maps from the last stage of a backbone that has not four: ViTDet's simple feature pyramid.

    Li, Mao, Girshick, He: Exploring Plain Vision Transformer Backbones for Object Detection, ECCV 2022.

    At 224 pixels with patches of 16 it has the grids of PVT-v2. No published figure of this task comes from it.
    """

    def __init__(self, dim: int, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.larger = nn.ConvTranspose2d(dim, dim // 2, 2, stride=2)
        self.norm = nn.LayerNorm(dim // 2)
        self.largest = nn.ConvTranspose2d(dim // 2, dim // 4, 2, stride=2)
        self.large = nn.ConvTranspose2d(dim, dim // 2, 2, stride=2)
        sizes = (dim // 4, dim // 2, dim, dim)
        self.project = nn.ModuleList(nn.Conv2d(size, width, 1) for size, width in zip(sizes, widths, strict=True))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """(N, D, g, g) of the last stage, finer ones unused -> maps of 4g, 2g, g and g / 2."""
        x = maps[-1]
        larger = self.norm(self.larger(x).movedim(1, -1)).movedim(-1, 1)
        pyramid = (self.largest(F.gelu(larger)), self.large(x), x, F.max_pool2d(x, 2))
        return [project(level) for project, level in zip(self.project, pyramid, strict=True)]


class AvsBenchHead(SegmentationHead):
    """Projected stages through AVSBench's decoder, whose chosen stages hear the sound.

    Args:
        dim: width of features, of which those of sound are pooled.
        tpavi: stages, from 0, that are joined with sound; none leaves sound to the adapter.
        matching: weight of the matching loss between sound and masked vision, 0.5 on several sources (MS3).
        stg_cma_start: linear maps begin truncated normal of deviation 0.02 without bias, as STG-CMA begins them.
        widths, channels, audio, out_widths: of everything inside; the defaults are the published ones.

    Raises:
        UserError: a stage that is none, or sound that is asked for and not encoded.
    """

    def __init__(
        self,
        dim: Width,
        stages: Sequence[Stage],
        side: int | None,
        modalities: Sequence[Modality] = MODALITIES,
        tpavi: Sequence[int] = (0, 1, 2, 3),
        matching: float = 0.0,
        stg_cma_start: bool = False,
        *,
        widths: Sequence[int] = WIDTHS,
        channels: int = CHANNELS,
        audio: int = AUDIO_WIDTH,
        out_widths: tuple[int, int] = OUT_WIDTHS,
    ) -> None:
        super().__init__(side or 0, modalities)
        _check(tpavi, matching, self.modalities)
        widths_in = widths_of(dim)
        self.dim, self.matching = widths_in["audio"], matching
        self.project = (
            StageProjection(stages, side, widths)
            if len(stages) == len(widths)
            else FeaturePyramid(widths_in["visual"], widths)
        )
        self.hear = nn.Linear(self.dim, audio) if tpavi else None
        self.decoder = Decoder(widths, tpavi, channels, audio, out_widths)
        if stg_cma_start:
            _start_as_stg_cma(self)

    def forward(self, encode: Encode, inputs: Inputs) -> Outputs:
        """Pictures (B, T, 3, S, S) -> `logits` (B, T, M, M), and of training with `matching` what that compares."""
        features = self.encoded(encode, inputs)
        segments = features["visual"].tokens.shape[1]
        sound = features["audio"].pooled.float().flatten(0, 1) if self.hear is not None else None
        logits, maps, heard = self.draw([as_map(x) for x in features["visual"].stages], sound, segments)
        outputs = {"logits": self.fitted(logits, segments)}
        if self.matching and self.training:
            outputs |= {f"map{i}": x for i, x in enumerate(maps)} | {f"sound{i}": x for i, x in enumerate(heard)}
        return outputs

    def draw(
        self, maps: Sequence[Tensor], sound: Tensor | None, segments: int
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Maps (N, D, g, g) of all stages and pooled sounds (N, D) -> see `Decoder.forward`."""
        heard = self.hear(sound) if self.hear is not None else None
        decoded: tuple[Tensor, list[Tensor], list[Tensor]] = self.decoder(self.project(maps), heard, segments)
        return decoded

    def loss(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        losses = super().loss(outputs, targets)
        count = sum(name.startswith("map") for name in outputs)
        if count:
            maps, sounds = ([outputs[f"{name}{i}"] for i in range(count)] for name in ("map", "sound"))
            logits = outputs["logits"].flatten(0, 1)[:, None]
            losses["matching"] = self.matching * audio_matching(logits, maps, sounds)
        return losses


def _check(tpavi: Sequence[int], matching: float, modalities: Sequence[Modality]) -> None:
    strange = [stage for stage in tpavi if stage not in range(len(WIDTHS))]
    if strange or len(set(tpavi)) < len(tpavi):
        raise UserError(f"tpavi={tuple(tpavi)} must be different stages from 0 to {len(WIDTHS) - 1}, or ().")
    if not 0 <= matching < float("inf"):
        raise UserError(f"matching={matching} must be a finite number, 0 or more.")
    if matching and not tpavi:
        raise UserError(f"matching={matching} compares masks with the sound that tpavi aligns; give it stages.")
    if tpavi and "audio" not in modalities:
        raise UserError(f"tpavi={tuple(tpavi)} hears sound, and modality='visual' has none; set tpavi=().")


def _start_as_stg_cma(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
