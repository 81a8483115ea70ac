"""Writing a file so that a reader, or a kill at any moment, finds the old content or the new, never a part."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from registry.errors import UserError


class OutputError(UserError):
    """The output cannot be written. No run is at fault, and every other would meet the same: a grid ends."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside the target, sync, then rename over it.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    # Not `tempfile`: its files are private to the user, and results are read by others.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_synced(temporary, content)
        os.replace(temporary, path)
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        _discard(temporary)


def unwritable(path: Path, error: OSError) -> OutputError:
    """One line on why a path cannot be written and what to do."""
    return OutputError(f"cannot write {path}: {error.strerror or error}; give a writable folder with --output.")


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _discard(path: Path) -> None:
    # A parent that is no folder raises NotADirectoryError here; the write has already told the reader.
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return
