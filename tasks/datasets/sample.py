"""How a folder says that its clips were rendered by a program, so that results on them are labelled."""

from __future__ import annotations

import shutil
from pathlib import Path

NOTE = "README.txt"
FIRST_LINE = "Synthetic sample of AV Adapter Bench"


def has_note(folder: Path) -> bool:
    """Whether this very folder carries the note of a sample."""
    note = folder / NOTE
    return note.is_file() and note.read_text(encoding="utf-8", errors="replace").startswith(FIRST_LINE)


def is_sample(data: str | Path) -> bool:
    """Whether a data folder, or the one that it lies in beside other layouts, was written as a sample."""
    return any(has_note(folder) for folder in (Path(data), Path(data).absolute().parent))


def pass_on_note(data: Path, store: Path) -> None:
    """Let what was made of a sample's clips say so as well."""
    for folder in (data, data.absolute().parent):
        if has_note(folder):
            shutil.copyfile(folder / NOTE, store / NOTE)
