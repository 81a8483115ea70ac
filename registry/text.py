"""Text of others on its way to people."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text on one line for a terminal: what would move a cursor, break a line or fit no encoding becomes an escape."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def shortened(text: str, most: int) -> str:
    """Text of at most so many characters; of a longer one the end is cut."""
    return text if len(text) <= most else text[: most - 1] + "…"
