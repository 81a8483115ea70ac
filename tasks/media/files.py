"""Files that appear whole or not at all, and links that lead elsewhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO


def create(path: Path) -> BinaryIO:
    """Open a new file for writing. What bears its name is taken away first: a link there would lead elsewhere.

    Raises:
        OSError: the file cannot be written.
    """
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb")


def write_text(path: Path, text: str) -> None:
    """Write beside the target, then rename over it.

    Raises:
        OSError: the file cannot be written.
    """
    partial = path.with_suffix(path.suffix + ".partial")
    with create(partial) as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def leads_outside(path: Path, folder: Path) -> bool:
    """Whether a path, its links followed, lies outside of a folder."""
    return not path.resolve().is_relative_to(folder.resolve())
