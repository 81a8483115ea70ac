"""What is wrong with a media file, in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from registry.errors import DataError
from registry.text import printable
from tasks.media.underway import decoding

_SHOWN = 5


class MediaError(DataError):
    """A clip that cannot be read: the file, the reason, the mend.

    A data loader's worker process re-raises an exception as the same class around its printed stack trace, so only the
    last line is kept: the message stays one line wherever the clip was decoded.
    """

    def __init__(self, message: str) -> None:
        lines = message.strip().splitlines() or [""]
        super().__init__(lines[-1].removeprefix(f"{__name__}.{type(self).__name__}: "))


def damaged(path: Path, reason: str) -> MediaError:
    """The error for a file that is there but cannot be used."""
    return MediaError(
        f"cannot decode {printable(str(path))}: {printable(reason)}; replace the file or take its id out of the "
        "annotations."
    )


def shortened(names: list[str]) -> str:
    """The first names of a list, for a message of one line."""
    return ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn whatever FFmpeg and PyAV raise inside the block into a `MediaError` that names the file."""
    try:
        with decoding(path):
            yield
    except FileNotFoundError:
        raise MediaError(f"media file {printable(str(path))} is missing.") from None
    except av.InvalidDataError:
        raise damaged(path, "its data are invalid or cut short") from None
    except av.FFmpegError as error:
        raise damaged(path, error.strerror or type(error).__name__) from None
    except (ValueError, OSError, ArithmeticError, LookupError, EOFError, MemoryError, RuntimeError) as error:
        raise damaged(path, " ".join(str(error).split()) or type(error).__name__) from None
