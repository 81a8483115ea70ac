"""Which file each process decodes at the moment, kept for whoever outlives it: decoders die on damaged files.

A folder holds one small file for each process, under its id, with the path of the media file in work.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from registry.errors import DataError
from registry.files import create, read_regular
from registry.text import printable

_LONGEST = 4096

_folder: Path | None = None
_now = b""
_own: tuple[int, int] | None = None
"""This process and its descriptor; a forked one has another."""


def note_in(folder: Path | None) -> None:
    """Keep it in this folder from now on; None keeps nothing."""
    global _folder, _own
    _folder, _own = folder, None


def noted_in() -> Path | None:
    """Where it is kept, for processes that this one starts."""
    return _folder


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Note a file for as long as the block lasts; whatever the block raises, it did not die."""
    if _folder is None:
        yield
        return
    global _now
    before, _now = _now, os.fsencode(path.absolute())
    _write(_now)
    try:
        yield
    finally:
        _now = before
        _write(before)


def left_by_the_dead(folder: Path) -> list[Path]:
    """The files that processes which are gone were decoding."""
    found = []
    with suppress(OSError):
        for note in folder.iterdir():
            with suppress(OSError, ValueError):
                if not _lives(int(note.name)) and (path := read_regular(note, _LONGEST).rstrip(b"\0")):
                    found.append(Path(os.fsdecode(path)))
    return found


def died_on(path: Path) -> DataError:
    """The error for a file on which the process of a decoder died."""
    return DataError(
        f"cannot decode {printable(str(path))}: the process that decoded it died; replace the file or take its id "
        "out of the annotations, or make room in memory."
    )


def _write(path: bytes) -> None:
    global _own
    with suppress(OSError):
        if _own is None or _own[0] != os.getpid():
            assert _folder
            _folder.mkdir(parents=True, exist_ok=True)
            _own = os.getpid(), create(_folder / str(os.getpid()))
        os.pwrite(_own[1], path[:_LONGEST].ljust(_LONGEST, b"\0"), 0)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    # One that is dead but not yet asked after has no more to say either.
    with suppress(OSError):
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    return True
