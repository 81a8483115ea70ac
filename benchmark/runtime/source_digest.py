"""The digest of all sources of this project, for the provenance of a record; no number depends on it."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("adapters", "backbones", "benchmark", "registry", "results", "tasks")


@cache
def source_digest() -> str:
    """16 hexadecimal digits of every Python file of this project, with its name."""
    digest = hashlib.sha256()
    for name, path in source_files():
        digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def source_files(*patterns: str) -> list[tuple[str, Path]]:
    """Every Python file of this project by its name within it, in order; nothing is imported to find them.

    Args:
        patterns: of file names, in place of Python's.
    """
    return sorted(
        (f"{package}/{path.relative_to(folder).as_posix()}", path)
        for package in PACKAGES
        for folder in _folders(package)
        for pattern in patterns or ("*.py",)
        for path in folder.rglob(pattern)
    )


def _folders(package: str) -> list[Path]:
    spec = find_spec(package)
    return [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
