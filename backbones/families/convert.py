"""A file of weights, whatever wrote it, becomes safetensors in timm's names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch.nn import functional

from backbones.families.timm_models import load_timm
from backbones.formats.onnx_files import FIRST_BYTE, features_of, picture_side
from registry.errors import WeightsError
from registry.files import user_path


@dataclass(frozen=True)
class Conversion:
    """What became of a file."""

    content: bytes
    """safetensors."""
    tensors: int
    parameters: int
    notes: tuple[str, ...]
    """How the file was fitted to the model."""
    difference: float | None
    """Largest difference of features to those of the file's own graph, as a share of the largest; None where there is
    no graph or nothing to run it with."""


def convert(file: str, model: str, size: int | None = None, resample_stem: bool = False) -> Conversion:
    """Read ONNX, TorchScript, pickles, Hugging Face's names and names under a prefix into a timm model.

    Args:
        size: side of the pictures; None keeps the model's own.
        resample_stem: as an option of `vit`.

    Raises:
        UserError: no such model or file, or a file of another model.
    """
    if file in ("hub", "none"):
        raise WeightsError(f"{file!r} is no file of weights; name one.")
    tower, loaded = load_timm(model, file, size, resample_stem)
    state = {name: value.contiguous() for name, value in tower.state_dict().items()}
    difference = _difference(tower, user_path(file), lambda side: load_timm(model, file, side, resample_stem)[0])
    return Conversion(
        save(state, metadata={"model": model, "from": ", ".join(loaded.files.values())}),
        len(state),
        sum(value.numel() for value in state.values()),
        loaded.notes,
        difference,
    )


def _difference(tower: Any, path: Path, at_size: Callable[[int], Any]) -> float | None:
    if not path.is_file() or path.open("rb").read(1) != FIRST_BYTE:
        return None
    own = tower.patch_embed.img_size[0]
    side = picture_side(path) or own
    pictures = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    theirs = features_of(path, pictures)
    if theirs is None:
        return None
    tower = (tower if side == own else _as_exported(at_size(side), tower)).eval()
    with torch.no_grad():
        ours = tower.forward_features(pictures)
    if ours.shape != theirs.shape:
        return None
    return float((ours - theirs).abs().max() / theirs.abs().max())


def _as_exported(small: Any, tower: Any) -> Any:
    """The model at another size with positions as an exported graph resamples them, without timm's antialiasing."""
    table, own = tower.pos_embed, small.pos_embed
    if table is None or table.shape == own.shape:
        return small
    grid, wanted = tower.patch_embed.grid_size, small.patch_embed.grid_size
    prefix = own.shape[1] - wanted[0] * wanted[1]
    with torch.no_grad():
        picture = table[:, prefix:].transpose(1, 2).unflatten(2, grid)
        fitted = functional.interpolate(picture, wanted, mode="bicubic").flatten(2).transpose(1, 2)
        own.copy_(torch.cat((table[:, :prefix], fitted), dim=1))
    return small
