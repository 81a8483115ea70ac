"""Named tensors out of a file of weights, told apart by its first bytes; nothing in a file is executed."""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy._core.multiarray import scalar
from safetensors.torch import load_file
from torch import Tensor

from backbones.formats.onnx_files import FIRST_BYTE, read_onnx
from backbones.formats.torchscript import is_torchscript, read_torchscript

Tensors = dict[str, Tensor]

MODEL_KEYS = (
    "state_dict_ema",
    "model_ema",
    "state_dict",
    "model",
    "model_state_dict",
    "teacher",
    "module",
    "net",
    "network",
    "encoder",
)
"""Where training programs keep the model in a checkpoint; the first that is there wins: averaged weights before the
last ones, as in timm, and a teacher before its student, as in DINO. What lies beside it is the training's own."""

NOT_WEIGHTS = {
    b"version https://git-lfs": "a pointer of Git LFS in place of the weights; fetch them with git lfs pull",
    b"/annex/objects/": "a pointer of git-annex in place of the weights; fetch them with git annex get",
    b"<!doctype": "a web page; download the file itself",
    b"<html": "a web page; download the file itself",
    b"\x89HDF": "an HDF5 file; convert it to safetensors",
    b"GGUF": "a GGUF file; convert it to safetensors",
    b"\x1f\x8b": "compressed; unpack it first",
    b"{": "JSON, perhaps the index of weights in parts; give one file with all of them",
}
"""First bytes of what lies where weights were expected, with the mend."""


class UnusableFileError(ValueError):
    """A file of weights that is whole and yet cannot be used, with the reason in one line."""


def read_checkpoint(path: Path) -> Tensors:
    """The tensors of one model, by the names that the file gives them.

    Takes safetensors, what `torch.save` writes, TorchScript archives and ONNX, whatever the file is called.

    Raises:
        UnusableFileError: something else, no tensors, or several models of which none is the obvious one.
        Exception: whatever torch or safetensors say of a damaged file.
    """
    with path.open("rb") as file:
        head = file.read(64)
    for first, what in NOT_WEIGHTS.items():
        if head.lstrip().lower().startswith(first.lower()):
            raise UnusableFileError(f"it is {what}")
    if not head:
        raise UnusableFileError("it is empty")
    if head[8:9] == b"{":
        return load_file(path)
    if head[:1] == FIRST_BYTE:
        return read_onnx(path)
    if is_torchscript(path):
        return read_torchscript(path)
    return _model_of(_load_pickle(path))


def is_numpy_archive(path: Path) -> bool:
    """Whether a file is JAX's: a zip archive of NumPy arrays."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return all(name.endswith(".npy") for name in archive.namelist())


def _load_pickle(path: Path) -> Any:
    # Without these three, checkpoints with command line arguments or a NumPy score beside the weights are refused.
    harmless: list[Any] = [argparse.Namespace, scalar, np.dtype, type(np.dtype(np.float64)), type(np.dtype(np.float32))]
    # An open file, since torch takes the name of a path for the kind of file.
    with torch.serialization.safe_globals(harmless), path.open("rb") as file:
        return torch.load(file, map_location="cpu", weights_only=True)


def _model_of(checkpoint: Any) -> Tensors:
    """The tensors of the model among everything that a training program saves."""
    if not isinstance(checkpoint, Mapping):
        raise UnusableFileError(f"it holds a {type(checkpoint).__name__}, not tensors by name")
    for key in MODEL_KEYS:
        if _has_tensors(checkpoint.get(key)):
            return _model_of(checkpoint[key])
    tensors = {str(name): value.detach() for name, value in checkpoint.items() if isinstance(value, Tensor)}
    if tensors:
        return tensors
    nested = [key for key, value in checkpoint.items() if _has_tensors(value)]
    if len(nested) != 1:
        found = ", ".join(map(str, list(checkpoint)[:8])) or "nothing"
        raise UnusableFileError(f"it holds no tensors by name at a place known here, but: {found}")
    return _model_of(checkpoint[nested[0]])


def _has_tensors(value: Any, depth: int = 3) -> bool:
    if not isinstance(value, Mapping) or not depth:
        return False
    named = [part for key, part in value.items() if isinstance(key, str)]
    return any(isinstance(part, Tensor) or _has_tensors(part, depth - 1) for part in named)
