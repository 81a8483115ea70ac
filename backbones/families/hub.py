"""Refuse weights that are neither cached nor within reach, before torch and the models' libraries are imported.

Those imports take seconds, and a user without a network shall not wait for them.
"""

from __future__ import annotations

import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from backbones.families.presets import LIBRARIES, PRESETS
from registry.component import Component
from registry.errors import WeightsError

OPENAI = "openai"
"""The tag of open_clip that `hub` stands for."""

PROBE_SECONDS = 1.0
"""How long an unreachable hub may keep a user waiting; the libraries themselves retry for about 50 s."""


def refuse_out_of_reach(backbone: Component) -> None:
    """Refuse a built-in backbone whose weights cannot come from the hub.

    Only what is certain is refused here: a model that its library spells, none of the repositories with such weights
    in the cache, and no hub. Any other mistake is left to the library's own tables.

    Raises:
        UserError: not cached, and the hub cannot be reached.
    """
    preset = PRESETS.get(backbone.name)
    family = preset.family if preset else backbone.name
    options = {"weights": "hub", "model": preset.model if preset else None, **backbone.options}
    model, weights = options.pop("model"), options.pop("weights")
    if family not in LIBRARIES or options or not isinstance(model, str) or not isinstance(weights, str):
        return
    library = LIBRARIES[family]
    repositories = _timm_names(model, weights) if library == "timm" else _open_clip_names(model, weights)
    if repositories and not any(_is_cached(name) for name in repositories) and not hub_answers():
        raise out_of_reach(model)


def _timm_names(model: str, weights: str) -> list[str]:
    """What names of repositories with these weights hold; none where that is not certain."""
    tag = model.partition(".")[2]
    return [tag] if weights == "hub" and tag and _spelled(model, "timm") else []


def _open_clip_names(model: str, weights: str) -> list[str]:
    """The repositories of every model that open_clip publishes with these weights; none where that is not certain."""
    tag = re.escape(OPENAI if weights == "hub" else weights)
    entry = re.compile(rf"\b{tag}[\"']?\s*[=:]\s*\w+\(([^()]*)\)")
    repository = re.compile(r"hf_hub\s*=\s*[\"']([^\"']+)/[^\"'/]*[\"']")
    if not _spelled(model, "open_clip"):
        return []
    entries = [found[1] for source in _sources("open_clip") for found in entry.finditer(source)]
    names = [repository.search(text) for text in entries]
    return [name[1] for name in names if name] if all(names) else []


def _is_cached(name: str) -> bool:
    from huggingface_hub import constants

    marked = name.replace("/", "--")
    return any(marked in folder.name for folder in Path(constants.HF_HUB_CACHE).glob("models--*"))


def not_cached(described: str, why: str) -> WeightsError:
    """The error for weights that are not on this machine, with what to do."""
    from huggingface_hub import constants

    return WeightsError(
        f"weights of {described} are not in the cache {constants.HF_HUB_CACHE} and {why}; "
        "give weights='FILE' for a local file or weights='none' for random weights."
    )


def out_of_reach(described: str) -> WeightsError:
    """The error for weights that are not cached while the hub cannot be reached."""
    from huggingface_hub import constants

    return not_cached(described, f"{constants.ENDPOINT} cannot be reached")


def _spelled(model: str, library: str) -> bool:
    """Whether the installed library has this word in a source or as the name of a file (open_clip's configurations)."""
    word = re.compile(rf"(?<![\w.-]){re.escape(model)}(?![\w.-])")
    folder = _folder(library)
    if folder is None:
        return False
    return any(file.stem == model for file in folder.rglob("*.json")) or any(map(word.search, _sources(library)))


def _sources(library: str) -> Iterator[str]:
    folder = _folder(library)
    return (source.read_text(errors="replace") for source in (folder.rglob("*.py") if folder else ()))


def _folder(library: str) -> Path | None:
    spec = find_spec(library)
    return Path(spec.origin).parent if spec and spec.origin else None


def hub_answers() -> bool:
    """Whether the hub may be asked and can be reached; a second at most."""
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
