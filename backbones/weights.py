"""Where pretrained weights come from: a hub's cache or download, a local file, or nowhere."""

from __future__ import annotations

import difflib
import hashlib
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn

from registry.errors import UserError

PROBE_SECONDS = 1.0
"""How long an unreachable hub may keep a user waiting; the libraries themselves retry for about 50 s."""


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


def refuse_out_of_reach(model: str, library: str, tag: str, weights: str = "") -> None:
    """Refuse weights that cannot come from the hub, before the library that knows their repository is imported.

    That import takes seconds. Only what is certain is refused here: a name that the library spells, no cached
    repository of that tag, and no hub. Any other mistake is left to the library's own tables.

    Args:
        tag: what the names of repositories with such weights hold; empty fits every repository.
        weights: a name of weights that the library has to spell as well, unless it is empty.

    Raises:
        UserError: not cached, and the hub cannot be reached.
    """
    from huggingface_hub import constants

    cached = Path(constants.HF_HUB_CACHE).glob("models--*")
    words = (model, weights) if weights else (model,)
    if any(tag in folder.name for folder in cached) or not all(_spelled(word, library) for word in words):
        return
    if not _hub_answers():
        raise _out_of_reach(model)


def hub_file(repository: str, names: Sequence[str], model: str) -> WeightFile:
    """The first of these files that the Hugging Face cache or hub has.

    Raises:
        UserError: not cached, and the hub cannot be reached or has none of them.
    """
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    for name in names:
        cached = try_to_load_from_cache(repository, name)
        if isinstance(cached, str):
            return WeightFile(f"{repository}/{name}", Path(cached))
    described = f"{model} ({repository})"
    if not _hub_answers():
        raise _out_of_reach(described)
    for name in names:
        try:
            return WeightFile(f"{repository}/{name}", Path(hf_hub_download(repository, name)))
        except Exception as error:  # The hub client raises a dozen unrelated types, new ones with each release.
            failure = " ".join(str(error).split())[:200] or type(error).__name__
    raise _not_cached(described, f"cannot be downloaded ({failure})")


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


def _not_cached(described: str, why: str) -> UserError:
    from huggingface_hub import constants

    return UserError(
        f"weights of {described} are not in the cache {constants.HF_HUB_CACHE} and {why}; "
        "give weights='FILE' for a local file or weights='none' for random weights."
    )


def _out_of_reach(described: str) -> UserError:
    from huggingface_hub import constants

    return _not_cached(described, f"{constants.ENDPOINT} cannot be reached")


def _spelled(model: str, library: str) -> bool:
    """Whether the installed library has this word in a source or as the name of a file (open_clip's configurations)."""
    spec = find_spec(library)
    if not model or spec is None or spec.origin is None:
        return False
    folder = Path(spec.origin).parent
    word = re.compile(rf"(?<![\w.-]){re.escape(model)}(?![\w.-])".encode())
    return any(file.stem == model for file in folder.rglob("*.json")) or any(
        word.search(source.read_bytes()) for source in folder.rglob("*.py")
    )


def _hub_answers() -> bool:
    from huggingface_hub import constants

    return not constants.HF_HUB_OFFLINE and _reachable(constants.ENDPOINT)


def _reachable(endpoint: str) -> bool:
    # In a thread, since a name look-up heeds no timeout.
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(_answers(endpoint)), daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return bool(answers and answers[0])


def _answers(endpoint: str) -> bool:
    try:
        urllib.request.urlopen(urllib.request.Request(endpoint, method="HEAD"), timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False
    return True
