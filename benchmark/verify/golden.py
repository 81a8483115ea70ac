"""Golden files: tensors recorded from an official implementation, under keys that say what each one is."""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from registry.errors import UserError

META = ("meta/config_json", "meta/json")
"""Where STG-CMA's and LAVISH's files keep their sizes and switches, as JSON text."""


@dataclass(frozen=True)
class Golden:
    """One golden file: `meta` in plain values, and its tensors by key."""

    path: Path
    meta_key: str
    meta: dict[str, Any]
    tensors: dict[str, Tensor]

    def group(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose key begins with `prefix`, without it."""
        return {k.removeprefix(prefix): v for k, v in self.tensors.items() if k.startswith(prefix)}


def read(path: Path) -> Golden:
    """A golden file; nothing in it is executed.

    Raises:
        UserError: the file cannot be read, or is none.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise UserError(f"golden file {str(path)!r} {what}; give one or more .npz files.")
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path} is no golden file: it is no .npz archive.")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    # What numpy raises for a foreign, cut or pickled file depends on where it notices.
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        AttributeError,
        TypeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise UserError(f"{path} is no golden file: {_first_line(error)}.") from None
    key = next((key for key in META if key in arrays), None)
    if key is None:
        raise UserError(f"{path} is no golden file: it has neither {META[0]} nor {META[1]}.")
    try:
        meta = json.loads(str(arrays[key]))
        tensors = {name: torch.from_numpy(a) for name, a in arrays.items() if not name.startswith("meta/")}
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path} is no golden file: {_first_line(error)}.") from None
    if not isinstance(meta, dict):
        raise UserError(f"{path} is no golden file: {key} holds {type(meta).__name__}, expected a JSON object.")
    return Golden(path, key, meta, tensors)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
