"""The console that tables are printed on."""

from __future__ import annotations

from rich.console import Console

WIDTH_OF_FILES = 200
"""Columns where standard output is no terminal: wide enough that no row of a table is folded."""


def screen() -> Console:
    """Standard output, at the width of the terminal or, in a file or pipe, at a fixed one."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_OF_FILES)
