"""Where pretrained weights come from: a hub's cache or download, a local file, or nowhere."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch

from backbones.families.digests import sha256_of
from backbones.families.hub import download
from backbones.formats.checkpoint import UnusableFileError
from registry.errors import UserError, WeightsError
from registry.files import user_path

T = TypeVar("T")

TIMM_FILES = ("model.safetensors", "pytorch_model.bin")
OPEN_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""What repositories of the hub, and folders copied from them, call their weights."""

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WeightFile:
    """One file of weights on this machine."""

    name: str
    """What a record calls it: `repository/file` from a hub, the file's own name otherwise."""
    path: Path
    published: bool = False
    """Whether the library itself says that these are the weights of the model."""

    def digest(self) -> dict[str, str]:
        """{name: sha256}; the digest alone identifies the weights, the name says where they were found."""
        return {self.name: sha256_of(self.path)}


@dataclass(frozen=True)
class Loaded:
    """What initialised a model."""

    files: dict[str, str]
    """sha256 by file name; empty for random weights."""
    notes: tuple[str, ...] = ()
    """How the file was fitted to the model where the two differ, each in a few words for a record."""


RANDOM = Loaded({})


def wants_no_weights(weights: str) -> bool:
    """Whether to stay with random weights: asked for, or on the meta device, where nothing can be loaded.

    Raises:
        WeightsError: `none` spelled in another way, which would be another cell with the same numbers.
    """
    if weights is None or not isinstance(weights, str) or (weights.lower() in ("none", "") and weights != "none"):
        raise WeightsError(f"weights={weights!r} is not known; write weights='none' for random weights.")
    return weights == "none" or torch.get_default_device().type == "meta"


HUB_PREFIXES = ("hf-hub:", "hf_hub:")
"""Before the name of a repository of the Hugging Face hub, as open_clip and timm spell it."""


def named_file(weights: str, model: str, names: Sequence[str] = TIMM_FILES) -> WeightFile:
    """A file or folder of the user's, or with one of `HUB_PREFIXES` a repository of the hub: `hf-hub:timm/…`.

    Raises:
        WeightsError: there is no such file, or the hub has none of these files there.
    """
    prefix = next((prefix for prefix in HUB_PREFIXES if weights.startswith(prefix)), None)
    if prefix is None:
        return local_file(weights, model, names)
    repository = weights.removeprefix(prefix)
    if not _REPOSITORY.fullmatch(repository):
        raise WeightsError(f"weights={weights!r} names no repository; write {prefix}OWNER/NAME.")
    # That the hub has it says nothing of which model it is of.
    return replace(hub_file(repository, names, model), published=False)


def local_file(weights: str, model: str, names: Sequence[str] = TIMM_FILES) -> WeightFile:
    """A file named by the user, or the one of these names in a folder.

    Raises:
        WeightsError: there is no such file.
    """
    path = user_path(weights)
    if path.is_dir():
        inside = [path / name for name in names if (path / name).is_file()]
        if not inside:
            raise WeightsError(
                f"weights folder {weights!r} for {model} has no {' or '.join(names)}; name the file itself."
            )
        path = inside[0]
    if path.is_symlink() and not path.exists():
        raise WeightsError(
            f"weights file {weights!r} for {model} is a link to {path.readlink()}, which does not exist."
        )
    if not path.is_file():
        what = "is no regular file" if path.exists() else "does not exist"
        raise WeightsError(f"weights file {weights!r} for {model} {what}; give a file, 'hub' or 'none' (random).")
    return WeightFile(path.name, path)


def hub_file(repository: str, names: Sequence[str], model: str) -> WeightFile:
    """The first of these files that the Hugging Face cache or hub has.

    Raises:
        WeightsError: not cached, and the hub cannot be reached or has none of them.
    """
    name, path = download(repository, names, model)
    return WeightFile(f"{repository}/{name}", path, published=True)


def load_checked(file: WeightFile, model: str, load: Callable[[], T]) -> T:
    """The result of loading a file into a model; what goes wrong is told in one line.

    Raises:
        WeightsError: the file is damaged or belongs to another model.
    """
    try:
        return load()
    except UnusableFileError as error:
        raise WeightsError(f"weights file {str(file.path)!r} cannot be loaded into {model}: {error}.") from error
    except Exception as error:  # Whatever a damaged or foreign file provokes in the libraries that read it.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise WeightsError(f"weights file {str(file.path)!r} cannot be loaded into {model}: {reason}") from error


def warn_of_activation(file: WeightFile, model: str, activation: str, mend: str) -> str:
    """Say that a model's name alone decides between GELU and QuickGELU, which a file of CLIP does not tell -> note."""
    logger.warning(
        "weights file %r does not say whether it was trained with GELU or QuickGELU; %s takes %s by its name; %s.",
        str(file.path),
        model,
        activation,
        mend,
    )
    return f"activation {activation} by the model's name"


def unknown_model(model: str, library: str, known: Iterable[str]) -> UserError:
    """An error for a model name that a library does not have, with near misses; the whole list would fill a screen."""
    close = difflib.get_close_matches(model, list(known), n=3, cutoff=0.4)
    hint = f" Did you mean {', '.join(close)}?" if close else ""
    return UserError(f"{library} has no model {model!r}.{hint}")
