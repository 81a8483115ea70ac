"""Where pretrained weights come from: a hub's cache or download, a local file, or nowhere."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from backbones.families.hub import download
from registry.errors import UserError


@dataclass(frozen=True)
class WeightFile:
    """One file of weights on this machine."""

    name: str
    """What a record calls it: `repository/file` from a hub, the file's own name otherwise."""
    path: Path

    def digest(self) -> dict[str, str]:
        """{name: sha256}"""
        with self.path.open("rb") as file:
            return {self.name: hashlib.file_digest(file, "sha256").hexdigest()}


def wants_no_weights(weights: str) -> bool:
    """Whether to stay with random weights: asked for, or on the meta device, where nothing can be loaded."""
    return str(weights).lower() == "none" or torch.get_default_device().type == "meta"


def local_file(weights: str, model: str) -> WeightFile:
    """A file named by the user.

    Raises:
        UserError: there is no such file.
    """
    path = Path(weights).expanduser()
    if not path.is_file():
        raise UserError(f"weights file {weights!r} for {model} does not exist; give a file, 'hub' or 'none' (random).")
    return WeightFile(path.name, path)


def hub_file(repository: str, names: Sequence[str], model: str) -> WeightFile:
    """The first of these files that the Hugging Face cache or hub has.

    Raises:
        UserError: not cached, and the hub cannot be reached or has none of them.
    """
    name, path = download(repository, names, model)
    return WeightFile(f"{repository}/{name}", path)


def load_checked(file: WeightFile, model: str, load: Callable[[str], nn.Module]) -> nn.Module:
    """Build a model from a file of weights; what goes wrong is told in one line.

    Raises:
        UserError: the file is damaged or belongs to another model.
    """
    try:
        return load(str(file.path))
    except Exception as error:  # Whatever a damaged or foreign file provokes in the library's loader.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"weights file {str(file.path)!r} cannot be loaded into {model}: {reason}") from error


def unknown_model(model: str, library: str, known: Iterable[str]) -> UserError:
    """An error for a model name that a library does not have, with near misses; the whole list would fill a screen."""
    close = difflib.get_close_matches(model, list(known), n=3, cutoff=0.4)
    hint = f" Did you mean {', '.join(close)}?" if close else ""
    return UserError(f"{library} has no model {model!r}.{hint}")
