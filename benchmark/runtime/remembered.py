"""Facts that take a while to work out and that only the code decides, kept on disk until the code changes.

They lie under `remembered/` in the folder of `registry.cache`; AVBENCH_PREPARED=none keeps nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any

from benchmark.runtime.source_digest import source_files
from registry.cache import cache_folder, keeps_prepared
from registry.component import Component, towers_of
from registry.errors import UserError
from registry.files import read_regular
from results.store.files import write_atomically

LIBRARIES = ("torch", "timm", "open_clip_torch")
"""Those whose models are counted."""

MOST_BYTES = 64 * 2**20

DECISIVE = ("*.py", "*.toml", "*.safetensors")
"""Files of ours that decide cells and their hashes: code, the embedded grid, the embedded weights."""


def recall(kind: str, facts: Any) -> Any:
    """What was remembered of these facts under the present code; None where nothing was."""
    if not keeps_prepared():
        return None
    try:
        return json.loads(read_regular(_file(kind, facts), MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None


def remember(kind: str, facts: Any, value: Any) -> None:
    """Keep a value that JSON can say; where the folder cannot be written, it is worked out again next time."""
    if keeps_prepared():
        try:
            cache_folder("remembered", make=True)
            write_atomically(_file(kind, facts), json.dumps(value).encode())
        except UserError:
            return


def names_no_file(components: Iterable[Component]) -> bool:
    """Whether nothing that these components stand for lies in a file of the user's, which may change."""
    every = (one for component in components for one in (component, *towers_of(component).values()))
    values = (value for one in every for value in one.options.values())
    return not any(isinstance(value, str) and value and os.path.exists(os.path.expanduser(value)) for value in values)


def _file(kind: str, facts: Any) -> Path:
    known = json.dumps([_code(), facts], sort_keys=True, default=str)
    return cache_folder("remembered") / f"{kind}-{hashlib.sha256(known.encode()).hexdigest()[:16]}.json"


@cache
def _code() -> list[Any]:
    """Everything that is installed and may move such a fact: our sources as they lie there, libraries, plug-ins."""
    sources = [
        (name, stat.st_size, stat.st_mtime_ns) for name, path in source_files(*DECISIVE) for stat in [path.stat()]
    ]
    plugins = [(point.name, point.value, point.dist and point.dist.version) for point in _plugins()]
    return [sources, [(name, _version(name)) for name in LIBRARIES], plugins]


def _plugins() -> Any:
    return entry_points(group="benchmark.plugins")


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
