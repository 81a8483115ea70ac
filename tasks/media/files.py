"""Files that appear whole or not at all, and links that lead elsewhere."""

from __future__ import annotations

import os
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Write beside the target, then rename over it.

    Raises:
        OSError: the file cannot be written.
    """
    partial = path.with_suffix(path.suffix + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def leads_outside(path: Path, folder: Path) -> bool:
    """Whether a path, its links followed, lies outside of a folder."""
    return not path.resolve().is_relative_to(folder.resolve())
