"""What the annotation readers of all data sets share."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from registry.errors import DataError
from registry.files import user_path
from tasks.datasets.table_text import decode_text

VGGSOUND_TABLE = "vggsound.csv"
"""VGGSound's own, which has no header."""
MANIFEST = "manifest.csv"
"""What a folder's own manifest is called."""


def read_text(root: Path, name: str, folders: tuple[str, ...], hint: str = "") -> str:
    """The text of an annotation file, looked for in the root and in these folders of it.

    Raises:
        DataError: it is in none of them, or it is not text.
    """
    path = find_file(root, name, folders)
    if path is None:
        raise DataError(f"annotation file {name} is missing under {root}{hint}.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read annotation file {path}: {error.strerror or error}.") from None
    # As in text mode, whatever ends a line.
    return decode_text(content, path).replace("\r\n", "\n").replace("\r", "\n")


def find_file(root: Path, name: str, folders: tuple[str, ...]) -> Path | None:
    """Where an annotation file lies, the root or one of these folders of it; None where it lies in none."""
    paths = (root / folder / name for folder in ("", *folders))
    return next((path for path in paths if path.is_file()), None)


def find_manifest(data: str | Path) -> Path | None:
    """The manifest behind a task's option `data`: the file itself, or that of a folder; None without."""
    path = user_path(data)
    if path.suffix.lower() == ".csv" and path.name != VGGSOUND_TABLE:
        return path
    return path / MANIFEST if (path / MANIFEST).is_file() else None


def digest(rows: Iterable[object]) -> str:
    """Eight hexadecimal digits over rows that print the same for the same annotations."""
    return hashlib.sha256("\n".join(map(repr, rows)).encode()).hexdigest()[:8]


def unique_names(names: Iterable[str]) -> list[str]:
    """The names, with `+2`, `+3`, … after those that came before."""
    seen: Counter[str] = Counter()
    result = []
    for name in names:
        seen[name] += 1
        result.append(name if seen[name] == 1 else f"{name}+{seen[name]}")
    return result
