"""The one exception for a mistake that the user can mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A user's mistake, told in one line: what is wrong, the value, what was expected, the mend.

    The command line prints the line without a stack trace and exits with status 2.
    """


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """An error for a name that is not among the known ones, with near misses and the whole list."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    return UserError(f"unknown {kind} {name!r}.{hint} Known: {', '.join(known) or 'none'}.")


def in_one_line(error: BaseException) -> str:
    """`ZeroDivisionError: division by zero`, whatever an exception holds."""
    return ": ".join(filter(None, [type(error).__name__, " ".join(str(error).split())]))
