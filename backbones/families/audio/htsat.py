"""HTS-AT, a Swin transformer that was trained on sound, as CLAP has it, from the names of transformers.

Chen et al.: HTS-AT: A Hierarchical Token-Semantic Audio Transformer, ICASSP 2022 (arXiv 2202.00874). Wu et al.:
Large-scale Contrastive Language-Audio Pretraining, ICASSP 2023 (arXiv 2211.06687).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn
from torch.nn import functional as F

from backbones.backbone import Backbone, MeanToken
from backbones.families.audio.ast import fused, renamed
from backbones.families.fit import fill
from backbones.families.swin import read_block
from backbones.families.swin_common import read_blocks
from backbones.families.weights import (
    RANDOM,
    TIMM_FILES,
    Loaded,
    WeightFile,
    hub_file,
    load_checked,
    local_file,
    wants_no_weights,
)
from backbones.formats.checkpoint import UnusableFileError, read_checkpoint
from backbones.pictures import PictureSpec, SoundPicture
from backbones.stem import PatchStem
from registry.errors import UserError
from registry.registries import register_backbone

REPOSITORY = "laion/clap-htsat-unfused"
SIDE, PATCH, WINDOW, BANDS = 256, 4, 8, 64
"""Of the published model: side of its folded picture, patches and windows; mel bands."""
DEPTHS = (2, 2, 6, 2)

SOUND = SoundPicture(BANDS, 10.0, 101, 0.0, 0.5, stem="own", filters="clap")
"""One second in decibels as they are: the model has a norm of its own for mel bands."""

OF_TRANSFORMERS: Mapping[str, str] = {
    r"^(audio_model\.)?audio_encoder\.": "swin.",
    r"^swin\.batch_norm\.": "band_norm.",
    r"\.attention\.self\.relative_position": ".attn.relative_position",
    r"\.attention\.self\.": ".attn.",
    r"\.attention\.output\.dense\.": ".attn.proj.",
    r"\.intermediate\.dense\.": ".mlp.fc1.",
    r"\.output\.dense\.": ".mlp.fc2.",
    r"\.layernorm_before\.": ".norm1.",
    r"\.layernorm_after\.": ".norm2.",
}
NOT_OF_SOUND = re.compile(
    r"^(text_model|text_projection|audio_projection|audio_model\.audio_projection|logit_scale)|_index$"
)
"""What a file of a whole CLAP has beside, and numbers that follow from sizes."""
_MERGING = re.compile(r"(?<=^swin\.layers\.)\d+(?=\.downsample\.)")


class HtsatTower(nn.Module):
    """The parts of an HTS-AT under timm's names: timm's Swin behind a norm of mel bands.

    Args:
        side: of the square that a spectrogram is folded to.
        bands: F; `side` is a multiple.
    """

    def __init__(
        self, dim: int, depths: tuple[int, ...], heads: tuple[int, ...], side: int, window: int, bands: int
    ) -> None:
        from timm.models.swin_transformer import SwinTransformer

        super().__init__()
        if side % bands:
            raise UserError(f"a square of {side} is not folded from {bands} mel bands; take a divisor of {side}.")
        self.band_norm = nn.BatchNorm2d(bands)
        self.swin = SwinTransformer(
            img_size=side, patch_size=PATCH, in_chans=1, embed_dim=dim, depths=depths, num_heads=heads,
            window_size=window, num_classes=0,
        )  # fmt: skip
        self.side, self.bands = side, bands


class FoldedStem(PatchStem):
    """From a spectrogram to patches of a square: mel bands normed, time stretched, cut into pieces, stacked as bands.

    Args:
        band_norm: of F mel bands.
        side: of the square.
    """

    def __init__(self, project: nn.Conv2d, patch_norm: nn.Module, band_norm: nn.BatchNorm2d, side: int) -> None:
        super().__init__(project, patch_norm=patch_norm)
        self.band_norm, self.side = band_norm, side

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 1, frames, F) -> (N, L, D)"""
        self.check(pictures.shape[-2], pictures.shape[-1])
        return self.patch_norm(self.project(self.fold(pictures)).flatten(2).transpose(1, 2))

    def fold(self, pictures: Tensor) -> Tensor:
        """(N, 1, frames, F) -> (N, 1, side, side)"""
        pieces = self.side // pictures.shape[-1]
        normed = self.band_norm(pictures.movedim(-1, 1)).movedim(1, -1)
        if normed.shape[-2] < self.side * pieces:
            stretched = (self.side * pieces, pictures.shape[-1])
            normed = F.interpolate(normed, stretched, mode="bicubic", align_corners=True)
        return normed.unflatten(-2, (pieces, self.side)).squeeze(1).transpose(-1, -2).flatten(1, 2).unsqueeze(1)

    def check(self, rows: int, columns: int) -> None:
        """Refuse pictures that do not fold.

        Raises:
            UserError: other mel bands, or more frames than the square has room for.
        """
        bands = self.band_norm.num_features
        most = self.side * (self.side // bands)
        if columns != bands or not 0 < rows <= most:
            raise UserError(
                f"a picture of {rows} x {columns} does not fit this backbone, which takes at most {most} frames of "
                f"{bands} mel bands; set frames and mel_bands of sound."
            )


@register_backbone("htsat", version=1)
def htsat(weights: str = "hub", sound: Mapping[str, Any] | None = None) -> Backbone:
    """CLAP's HTS-AT: it hears and does not see, so tasks take it with `modality='audio'`, or towers beside another.

    Its spectrograms are of 48 kHz; sound here has 16 kHz, so that bands above 8 kHz are silent.

    Args:
        weights: `hub`, a file of transformers' names, of the tower or of a whole CLAP, or `none` for random weights.
        sound: fields of `SoundPicture` that differ from the default, 101 frames of 10 ms in 64 mel bands.

    Raises:
        UserError: an unknown option, or missing or foreign weights.
    """
    picture = PictureSpec(224, (0.5,) * 3, (0.5,) * 3, SOUND.override(sound))
    if wants_no_weights(weights):
        return read_htsat(HtsatTower(96, DEPTHS, (4, 8, 16, 32), SIDE, WINDOW, BANDS), picture)
    file = hub_file(REPOSITORY, TIMM_FILES, "htsat") if weights == "hub" else local_file(weights, "htsat")
    tower = load_checked(file, "htsat", lambda: load_htsat(file))
    return read_htsat(tower, picture, loaded=Loaded(file.digest()))


def load_htsat(file: WeightFile, side: int = SIDE) -> HtsatTower:
    """The tower of a file.

    Args:
        side: of the folded square, which a file does not tell.

    Raises:
        UnusableFileError: the file is of another model, or of a CLAP that fuses long sounds.
    """
    recorded = {name: value for name, value in read_checkpoint(file.path).items() if not NOT_OF_SOUND.search(name)}
    tensors = fused(renamed(recorded, OF_TRANSFORMERS))
    # timm merges patches where a stage begins, transformers where the one before ends.
    tensors = {_MERGING.sub(lambda found: str(int(found[0]) + 1), name): value for name, value in tensors.items()}
    stem, norm = tensors.get("swin.patch_embed.proj.weight"), tensors.get("band_norm.weight")
    stages = len({name.split(".")[2] for name in tensors if name.startswith("swin.layers.")})
    tables = [tensors.get(f"swin.layers.{i}.blocks.0.attn.relative_position_bias_table") for i in range(stages)]
    if stem is None or norm is None or not tables or any(table is None for table in tables):
        raise UnusableFileError("it holds no HTS-AT: its patch embedding, norm of mel bands or blocks are missing")
    heads = tuple(cast(Tensor, table).shape[1] for table in tables)
    window = (round(len(cast(Tensor, tables[0])) ** 0.5) + 1) // 2
    blocks = [{n.split(".")[4] for n in tensors if n.startswith(f"swin.layers.{i}.blocks.")} for i in range(stages)]
    depths = tuple(map(len, blocks))
    tower = HtsatTower(len(stem), depths, heads, side, window, len(norm))
    fill(tower, tensors, [name for name in tensors if name not in tower.state_dict()])
    return tower


def read_htsat(tower: HtsatTower, picture: PictureSpec, *, loaded: Loaded = RANDOM) -> Backbone:
    """An HTS-AT as a frozen backbone that hears; its rows of tokens are pieces of time over mel bands."""
    embed = cast(Any, tower.swin.patch_embed)
    return Backbone(
        FoldedStem(embed.proj, embed.norm, tower.band_norm, tower.side),
        read_blocks(tower.swin, read_block),
        picture=picture,
        final_norm=cast(nn.Module, tower.swin.norm),
        pool=MeanToken(),
        weight_files=loaded.files,
        weight_notes=loaded.notes,
        hears_only=True,
    )
