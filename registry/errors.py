"""Exceptions for what the user can mend; their kind says what is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A user's mistake, told in one line: what is wrong, the value, what was expected, the mend.

    The command line prints the line without a stack trace and exits with status 2.

    Args:
        message: that line. An error which a process of a data loader has raised is told by its own last line.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(_as_raised(message))


class DataError(UserError):
    """Data that are missing, damaged or not what they are taken for: annotations, media, prepared clips."""


class WeightsError(UserError):
    """Weights that are missing, damaged or of another model."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """An error for a name that is not among the known ones, with near misses and the whole list."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    return UserError(f"unknown {kind} {name!r}.{hint} Known: {', '.join(known) or 'none'}.")


def in_one_line(error: BaseException) -> str:
    """`ZeroDivisionError: division by zero`, whatever an exception holds."""
    return ": ".join(filter(None, [type(error).__name__, " ".join(str(error).split())]))


def _as_raised(message: str) -> str:
    """The line of an error that a data loader's worker process has raised.

    Such a process raises it again as the same class, with its printed stack trace for a message: `module.Class: line`
    comes last.
    """
    if not (message.startswith("Caught ") and "\nOriginal Traceback" in message):
        return message
    return message.strip().splitlines()[-1].partition(": ")[2]
