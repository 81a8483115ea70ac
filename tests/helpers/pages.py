"""The blocks of a Markdown page, and running them from top to bottom as a reader would."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
_TITLE = re.compile(r'title="([^"]+)"')
_INCLUDED = re.compile(r'^--8<-- "([^"]+)"$', re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block: what it is in, its title if it is a file, its text."""

    language: str
    title: str | None
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, with the files that they include."""
    found = []
    for token in MarkdownIt().parse(page.read_text()):
        if token.type == "fence":
            language = token.info.split()[0] if token.info else ""
            title = _TITLE.search(token.info)
            text = _INCLUDED.sub(lambda match: (ROOT / match[1]).read_text().rstrip(), token.content)
            found.append(Block(language, title[1] if title else None, text, token.map[0] + 1 if token.map else 0))
    return found


def play(page: Path, folder: Path, programs: Path | None = None) -> None:
    """Run a page in a folder: files are written, shell and Python blocks run, output is held against what is shown.

    A `text` block is what the block before it prints; `...` in it stands for anything.

    Args:
        programs: where a shell looks first, see `warm_commands.warm_python`.

    Raises:
        AssertionError: a block fails or prints something else, with its place.
    """
    shown, names = "", {"__name__": "page"}
    for block in blocks(page):
        place = f"{page.name}, line {block.line}"
        if block.title:
            (folder / block.title).write_text(block.text)
        elif block.language == "shell":
            shown = _shell(block.text, folder, place, programs)
        elif block.language == "python":
            _python(block.text, folder, place, names)
        elif block.language == "text":
            options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            expected = block.text.rstrip().removesuffix("...") + "..."
            assert doctest.OutputChecker().check_output(expected, shown, options), f"{place}: printed\n{shown}"


def environment(folder: Path, programs: Path | None = None) -> dict[str, str]:
    """What a shell has that plays a page in a folder: this Python, this checkout, a cache of its own."""
    places = [*([str(programs)] if programs else []), str(Path(sys.executable).parent), os.environ["PATH"]]
    made = os.environ | {
        "PATH": os.pathsep.join(places), "PYTHONPATH": str(ROOT), "COLUMNS": "120", "CUDA_VISIBLE_DEVICES": "",
        "AVBENCH_CACHE": str(folder / "cache"),
    }  # fmt: skip
    # A reader keeps features; the other tests do not.
    made.pop("AVBENCH_PREPARED", None)
    return made


def _shell(text: str, folder: Path, place: str, programs: Path | None) -> str:
    done = subprocess.run(
        ["bash", "-euc", text],
        cwd=folder,
        env=environment(folder, programs),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{place} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def _python(text: str, folder: Path, place: str, names: dict[str, Any]) -> None:
    before = Path.cwd()
    os.chdir(folder)
    # As a script of the reader's finds the files beside it.
    sys.path.insert(0, str(folder))
    try:
        exec(compile(text, place, "exec"), names)
    finally:
        sys.path.remove(str(folder))
        os.chdir(before)
