"""Build a timm model with the weights that were asked for."""

from __future__ import annotations

import math
import re
import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backbones.families.fit import describe, fill
from backbones.families.weights import (
    RANDOM,
    TIMM_FILES,
    Loaded,
    WeightFile,
    hub_file,
    load_checked,
    named_file,
    unknown_model,
    wants_no_weights,
    warn_of_activation,
)
from backbones.formats.checkpoint import Tensors, UnusableFileError, is_numpy_archive, read_checkpoint
from backbones.formats.layouts import Tower, find_tower, not_to_be_left_out
from registry.errors import UserError

STEM = "patch_embed.proj.weight"


def load_timm(model: str, weights: str, size: int | None, resample_stem: bool = False) -> tuple[Any, Loaded]:
    """A timm model without its classifier, and what initialised it.

    Args:
        weights: `hub`, a file, or `none`.
        size: side of the pictures; None keeps the model's own.
        resample_stem: take a file with patches of another size, its stem resampled as timm does.

    Raises:
        UserError: no such model, no such file, no way to the hub, or a file of another model.
    """
    import timm

    if not timm.is_model(model) or not _has_tag(model):
        raise unknown_model(model, "timm", timm.list_models() + timm.list_pretrained())
    options: dict[str, Any] = {"num_classes": 0} | ({} if size is None else {"img_size": size})
    if wants_no_weights(weights):
        return timm.create_model(model, pretrained=False, **options), RANDOM
    file = _hub(model) if weights == "hub" else named_file(weights, model)
    tower = timm.create_model(model, pretrained=False, **options)
    notes = load_checked(file, model, lambda: load_into(tower, file, model, resample_stem))
    return tower, Loaded(file.digest(), tuple(notes))


def _has_tag(model: str) -> bool:
    import timm

    try:
        timm.get_pretrained_cfg(model)
    except RuntimeError:
        return False
    return True


def load_into(model: Any, file: WeightFile, name: str, resample_stem: bool = False) -> list[str]:
    """Fill a timm model from a file -> how the file was fitted to it; see `load_checked` for what goes wrong.

    Args:
        name: of the model, for messages.
    """
    load = _load_numpy if is_numpy_archive(file.path) else _load
    return load(model, file, name, resample_stem)


def _load(model: Any, file: WeightFile, name: str, resample_stem: bool) -> list[str]:
    """Fill a model -> how the file was fitted to it."""
    tensors = read_checkpoint(file.path)
    # A layout that only timm knows goes to timm as it is.
    tower = find_tower(tensors) or Tower("timm", tensors, [])
    if tower.names == "clip" and not hasattr(model, "blocks"):
        raise UnusableFileError("it holds a picture tower of CLIP")
    notes = _fitted_positions(model, tower.tensors)
    if tower.names == "clip" and not file.published:
        activation = "quickgelu" if "quick" in type(model.blocks[0].mlp.act).__name__.lower() else "gelu"
        notes.append(warn_of_activation(file, name, activation, "timm's models `…_clip_quickgelu_…` take the other"))
    notes += _fitted_stem(model, tower, resample_stem)
    fitted = _as_timm_converts(model, tower)
    left = [key for key in fitted if key not in model.state_dict()]
    # Files that the library publishes for this very model may hold more than the model has, as SigLIP's do.
    superfluous = [] if file.published else not_to_be_left_out(tower, left)
    fill(model, fitted, superfluous)
    return notes


def _as_timm_converts(model: Any, tower: Tower) -> Tensors:
    """timm's own way from published names and sizes to those of the model."""
    convert = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    prefix = "visual." if tower.names == "clip" else ""
    tensors = {prefix + key: _in_float32(tensor) for key, tensor in tower.tensors.items()}
    if hasattr(model, "blocks") and hasattr(model.blocks[0], "ls1"):
        # DeiT III's own files name layer scale so; timm renames it for those models alone.
        tensors = {re.sub(r"\.gamma_(\d)$", r".ls\1.gamma", key): tensor for key, tensor in tensors.items()}
    if convert is None:
        return tensors
    converted: Tensors = convert(tensors, model)
    return converted


def _in_float32(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16, torch.float64) else tensor


def _fitted_stem(model: Any, tower: Tower, resample: bool) -> list[str]:
    stem = tower.tensors.get("conv1.weight" if tower.names == "clip" else STEM)
    own = tuple(model.patch_embed.proj.weight.shape[-2:])
    if stem is None or stem.ndim != 4 or tuple(stem.shape[-2:]) == own:
        return []
    difference = f"patches of {_grid(stem.shape[-2:])}, and the model's are {_grid(own)}"
    if not resample:
        left = [] if tower.names == "clip" else [key for key in tower.tensors if key not in model.state_dict()]
        more = describe("holds", not_to_be_left_out(tower, left), "that the model does not use")
        raise UnusableFileError(
            f"it is of a model with {difference}{more and '; ' + more}; "
            "take a model like the file's, or resample_stem=True of vit"
        )
    return [f"stem resampled: {difference}"]


def _fitted_positions(model: Any, tensors: Tensors) -> list[str]:
    """Whether timm will resample a table of positions to another square grid."""
    table, own = tensors.get("pos_embed", tensors.get("positional_embedding")), getattr(model, "pos_embed", None)
    if table is not None and own is not None:
        # A few entries for class and register tokens do not reach the next square.
        theirs, ours = math.isqrt(table.shape[-2]), math.isqrt(own.shape[-2])
        if theirs != ours:
            return [f"positions resampled from {theirs} x {theirs} to {ours} x {ours}"]
    biases = {key: table for key, table in model.state_dict().items() if key.endswith("relative_position_bias_table")}
    for key, table in biases.items():
        if key in tensors and tensors[key].shape != table.shape:
            return [f"window position biases resampled from {len(tensors[key])} to {len(table)} entries"]
    return []


def _load_numpy(model: Any, file: WeightFile, name: str, resample_stem: bool) -> list[str]:
    """JAX's archives, which timm reads straight into the model."""
    with np.load(file.path, allow_pickle=False) as arrays:
        stems = [key for key in arrays if key.endswith("embedding/kernel")]
        stem = arrays[stems[0]].transpose(3, 2, 0, 1) if stems else None
        blocks = {key.split("encoderblock_")[1].split("/")[0] for key in arrays if "encoderblock_" in key}
    tower = Tower("timm", {} if stem is None else {STEM: torch.from_numpy(stem)}, [])
    notes = _fitted_stem(model, tower, resample_stem)
    if blocks and len(blocks) != len(model.blocks):
        raise UnusableFileError(f"it has {len(blocks)} blocks, and the model {len(model.blocks)}")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(torch.nan)
    model.load_pretrained(str(file.path))
    fill(model, {key: value for key, value in model.state_dict().items() if not value.isnan().any()})
    return notes


def _grid(size: Any) -> str:
    return " x ".join(map(str, size))


def own_statistics(model: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Channel mean and deviation that the model was trained with."""
    return model.pretrained_cfg["mean"], model.pretrained_cfg["std"]


def classifier_size(model: Any) -> int | None:
    """Parameters of the linear classifier that the pretrained model came with; None where timm does not say."""
    classes = getattr(model, "pretrained_cfg", {}).get("num_classes")
    return (model.num_features + 1) * classes if classes else None


def _hub(model: str) -> WeightFile:
    import timm

    config = timm.get_pretrained_cfg(model)
    if config is None or not config.hf_hub_id:
        raise UserError(f"timm publishes no weights for {model}; give weights='FILE' or weights='none' (random).")
    names = (config.hf_hub_filename,) if config.hf_hub_filename else TIMM_FILES
    return hub_file(config.hf_hub_id, names, model)
