"""The frozen vision transformer: embed pictures, offer blocks, finish features."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

import torch
from torch import Tensor, nn

from backbones.attention import Attention
from backbones.block import Block
from backbones.pictures import PictureSpec, SoundPicture
from backbones.stem import PatchStem
from registry.errors import UserError
from registry.vocabulary import Features, Modality, Stage

__all__ = ["Backbone", "PictureSpec", "SoundPicture", "Stage"]


class Backbone(nn.Module):
    """A frozen vision transformer that reads pictures of the scene and pictures of its sound alike.

    Every parameter is frozen when it is built, and it stays in evaluation mode, which silences stochastic depth.

    Args:
        stem: pictures -> tokens (B, T, L, D), as pretrained.
        blocks: from the first to the last; widths may change between them.
        picture: the frames and the sound pictures that the stem was trained to see.
        final_norm: the pretrained norm after the last block.
        pool: one vector from the tokens of a picture, (N, L, D) -> (N, D).
        norm_after_pool: where the family pools before its final norm.
        weight_files: sha256 of every file that initialised the weights, by file name; empty means random weights.
        weight_notes: what was chosen or resampled when they were read, in short texts for records.
        classifier: parameters of the pretrained classifier, which is left out here; None where unknown. Kept as
            `classifier_size`.
        hears_only: the stem takes pictures of one channel, sound's, and no frames.

    Raises:
        UserError: the frames or the sound pictures of `picture` do not fit the stem.
    """

    def __init__(
        self,
        stem: PatchStem,
        blocks: Iterable[Block],
        *,
        picture: PictureSpec,
        final_norm: nn.Module,
        pool: nn.Module,
        norm_after_pool: bool = False,
        weight_files: Mapping[str, str] | None = None,
        weight_notes: Sequence[str] = (),
        classifier: int | None = None,
        hears_only: bool = False,
    ) -> None:
        super().__init__()
        if not hears_only:
            stem.check(picture.size, picture.size)
        stem.check(picture.sound.frames, picture.sound.mel_bands)
        self.stem, self.blocks, self.hears_only = stem, nn.ModuleList(blocks), hears_only
        self.sound_stem = stem.for_sound(picture.sound) if picture.sound.stem == "own" and not hears_only else None
        self.final_norm, self.pool, self.norm_after_pool = final_norm, pool, norm_after_pool
        self.picture = picture
        self.dim: int = self.blocks[-1].dim  # type: ignore[assignment]
        self.weight_files, self.weight_notes = dict(weight_files or {}), tuple(weight_notes)
        self.classifier_size = classifier
        self.requires_grad_(False)
        self.eval()

    @property
    def random_weights(self) -> bool:
        """Whether no file initialised the weights."""
        return not self.weight_files

    @property
    def has_class_token(self) -> bool:
        """Whether the first token of a picture sums it up: the family pools by its class token."""
        return isinstance(self.pool, FirstToken)

    @torch.no_grad()
    def tokens(self, modality: Modality) -> list[int]:
        """L of each block for the pictures of a modality, for schemes whose parameters depend on it.

        Raises:
            UserError: frames, of a backbone that only hears.
        """
        rows, columns, channels = self.picture.size, self.picture.size, 3
        if modality == "audio":
            rows, columns = self.picture.sound.frames, self.picture.sound.mel_bands
            channels = 1 if self.hears_only or self.sound_stem is not None else 3
        x = self.embed(self.stem.project.weight.new_zeros(1, 1, channels, rows, columns))
        counts = []
        for block in self.blocks:
            x = block.enter(x)  # type: ignore[operator]
            counts.append(x.shape[2])
        return counts

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages, finest first: one begins where the width of blocks changes, and halves the grid of patches."""
        patch = self.stem.project.kernel_size[0]
        widths = [width for width, _ in groupby(block.dim for block in self.blocks)]
        return tuple(
            Stage(int(width), self.picture.size // (patch << i), patch << i)  # type: ignore[arg-type]
            for i, width in enumerate(widths)
        )

    def embed(self, pictures: Tensor) -> Tensor:
        """Patch, class and position embedding as pretrained: (B, T, 3, S, S') -> (B, T, L, D).

        Pictures of one channel are sound's, where it has a stem of its own.

        Raises:
            UserError: the stem does not take pictures of this size, or takes none of frames.
        """
        if self.hears_only and pictures.shape[2] != 1:
            raise UserError("this backbone hears and does not see; give the task modality='audio'.")
        stem = self.sound_stem if self.sound_stem is not None and pictures.shape[2] == 1 else self.stem
        return stem(pictures.flatten(0, 1)).unflatten(0, pictures.shape[:2])

    def finish(self, x: Tensor) -> Features:
        """Final norm and the family's own pooling: (B, T, L, D) -> tokens (B, T, L, D), pooled (B, T, D)."""
        tokens = self.final_norm(x)
        pooled = self.pool((x if self.norm_after_pool else tokens).flatten(0, 1)).unflatten(0, x.shape[:2])
        return Features(tokens, self.final_norm(pooled) if self.norm_after_pool else pooled)

    def train(self, mode: bool = True) -> Backbone:
        """Stay in evaluation mode, whatever is asked of the model around."""
        return super().train(False)

    def cast_projections(self, dtype: torch.dtype) -> Backbone:
        """Keep the weights of projections in the dtype of autocast, so that no step casts them again.

        Norms, embeddings and temperatures keep theirs; run under `torch.autocast` with the same dtype from then on.
        """
        cast_projections(self, dtype)
        return self


def cast_projections(frozen: nn.Module, dtype: torch.dtype) -> None:
    """Convert the linear maps, convolutions and attention biases of a frozen module in place."""
    for module in frozen.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            module.to(dtype)
        elif isinstance(module, Attention) and module.bias is not None:
            module.bias = module.bias.to(dtype)


# From the tokens of a picture to one vector, in each family's own way.


class FirstToken(nn.Module):
    """The class token."""

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, L, D) -> (N, D)"""
        return tokens[:, 0]


class MeanOfFirst(nn.Module):
    """The mean of the first `count` tokens, as of a class and a distillation token."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, L, D) -> (N, D)"""
        return tokens[:, : self.count].mean(dim=1)


class MeanToken(nn.Module):
    """The mean over tokens, leaving out the first `skip`."""

    def __init__(self, skip: int = 0) -> None:
        super().__init__()
        self.skip = skip

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, L, D) -> (N, D)"""
        return tokens[:, self.skip :].mean(dim=1)


class AttentionPool(nn.Module):
    """The model's own attention pool, over the tokens after the first `skip`."""

    def __init__(self, pool: nn.Module, skip: int = 0) -> None:
        super().__init__()
        self.pool, self.skip = pool, skip

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, L, D) -> (N, D)"""
        return self.pool(tokens[:, self.skip :])
