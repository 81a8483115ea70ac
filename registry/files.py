"""Files that somebody else may have put there: no link is followed, nothing is waited for, memory is bounded."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from registry.errors import UserError


def user_path(text: str | Path) -> Path:
    """A path that the user wrote, `~` being a home.

    Raises:
        UserError: the home of a user whom this machine does not know.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise UserError(f"{str(text)!r} begins with the home of a user whom this machine does not know.") from None


def read_regular(path: Path, most: int) -> bytes:
    """The content of a regular file.

    Args:
        most: bytes that are held in memory; a larger file is refused.

    Raises:
        OSError: no such file, a link, a pipe, a device or a folder, or one that is too large, with the reason.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "is a link; put the file itself there") from None
        raise
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "is no regular file")
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"is larger than {most // 2**20} MB")
    return content


def read_end(path: Path, most: int) -> bytes:
    """The last bytes of a regular file.

    Raises:
        OSError: as `read_regular`.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "is no regular file")
        file.seek(max(0, found.st_size - most))
        return file.read(most)


def create(path: Path, mode: int = 0o666) -> int:
    """A descriptor to write a new file. What bears its name is taken away first: a link there would lead elsewhere.

    Raises:
        OSError: the file cannot be written.
    """
    path.unlink(missing_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)


def is_private(path: Path) -> bool:
    """Whether a file or folder is the user's own, and nobody else may change it.

    Raises:
        OSError: it cannot be looked at.
    """
    found = path.lstat()
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
