"""The sha256 of files of weights. Those of large files are kept on disk, since each cell of a grid asks for them."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from registry.cache import cache_folder

LARGE = 64 * 2**20
"""Bytes from which on a digest is kept for other processes."""

SETTLED_NS = 2 * 10**9
"""A file that changed less than this ago might change again without another time of change."""


def sha256_of(path: Path) -> str:
    """The digest of a file's bytes, computed once for a file that stays as it is."""
    return _sha256(path.resolve(), _state(path.stat()))


@lru_cache(maxsize=256)
def _sha256(path: Path, state: tuple[int, ...]) -> str:
    kept = _kept_at(path, state)
    if state[0] >= LARGE and (digest := _read(kept)):
        return digest
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        unchanged = _state(os.fstat(file.fileno())) == state
    if state[0] >= LARGE and unchanged and time.time_ns() - max(state[1:3]) > SETTLED_NS:
        _write(kept, digest)
    return digest


def _state(found: os.stat_result) -> tuple[int, ...]:
    """Size, times of change (of which no program sets the second), and which file it is."""
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev


def _kept_at(path: Path, state: tuple[int, ...]) -> Path:
    return cache_folder("digests") / hashlib.sha256(repr((str(path), *state)).encode()).hexdigest()


def _read(kept: Path) -> str:
    """A digest that this user kept and no other could change, or nothing."""
    with suppress(OSError, ValueError):
        descriptor = os.open(kept, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            text = file.read(65).decode("ascii") if stat.S_ISREG(found.st_mode) else ""
        folder = kept.parent.stat()
        own = all(part.st_uid == os.getuid() and not part.st_mode & 0o022 for part in (found, folder))
        if own and re.fullmatch(r"[0-9a-f]{64}", text):
            return text
    return ""


def _write(kept: Path, digest: str) -> None:
    """Keep a digest; a folder that cannot be written costs time, nothing else."""
    with suppress(OSError):
        cache_folder("digests", make=True)
        descriptor, temporary = tempfile.mkstemp(dir=kept.parent)
        with os.fdopen(descriptor, "w") as file:
            file.write(digest)
        os.replace(temporary, kept)
