"""Files from the Hugging Face hub: out of its cache, or downloaded where one request shows that the hub answers.

The hub's own client retries for about fifty seconds before it says that there is no network.
"""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from backbones.families.presets import PRESETS
from registry.component import Component
from registry.errors import WeightsError

PROBE_SECONDS = 1.0
"""How long an unreachable hub may keep a user waiting."""


def refuse_out_of_reach(backbone: Component) -> None:
    """Refuse a preset whose weights cannot come from the hub, before the seconds that its library takes to import.

    Raises:
        WeightsError: not cached, and the hub cannot be reached.
    """
    preset = PRESETS.get(backbone.name)
    if preset is None or backbone.options.get("weights", "hub") != "hub":
        return
    if not _has_folder(preset.repository) and not hub_answers():
        raise _not_here(f"{preset.model} ({preset.repository})", "cannot be reached")


def download(repository: str, names: Sequence[str], model: str) -> tuple[str, Path]:
    """Name and path of the first of these files that the cache or else the hub has.

    Raises:
        WeightsError: not cached, and the hub cannot be reached or has none of them.
    """
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    for name in names:
        cached = try_to_load_from_cache(repository, name)
        if isinstance(cached, str):
            return name, Path(cached)
    reason = "cannot be reached"
    for name in names if hub_answers() else ():
        try:
            return name, Path(hf_hub_download(repository, name))
        except Exception as error:  # The hub client raises a dozen unrelated types, new ones with each release.
            reason = f"does not give them ({' '.join(str(error).split())[:200] or type(error).__name__})"
    raise _not_here(f"{model} ({repository})", reason)


def hub_answers() -> bool:
    """Whether the hub may be asked and answers; a second at most."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    # In a thread, since a name look-up heeds no timeout.
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(_answers(constants.ENDPOINT)), daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return any(answers)


def _answers(endpoint: str) -> bool:
    try:
        urllib.request.urlopen(urllib.request.Request(endpoint, method="HEAD"), timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False
    return True


def _has_folder(repository: str) -> bool:
    from huggingface_hub import constants

    return (Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}").is_dir()


def _not_here(described: str, reason: str) -> WeightsError:
    from huggingface_hub import constants

    return WeightsError(
        f"weights of {described} are not in the cache {constants.HF_HUB_CACHE} and {constants.ENDPOINT} {reason}; "
        "give weights='FILE' for a local file or weights='none' for random weights."
    )
