"""Words of a diary, which tell how a thing came about and not what it is. Pages, comments, docstrings have none."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
REFUSED = {
    "sitting": r"\bsittings?\b",
    "session": r"\bsessions?\b",
    "agent": r"\b(?:sub-?)?agents?\b",
    "helper": r"\bhelper\b",
    "assistant": r"\bassistants?\b",
    "number of an issue": r"\bissues? #?\d+",
    "lease of time": r"\blease of time\b|\blent for \d+ minutes\b",
    "load average": r"\bload averages?\b|\(load \d",
    "what was not kept": r"\btried,? (?:and |but )?not kept\b|\bnot kept:|\bnot taken:|\bthrow-?away\b",
    "what was not built": r"^\s*(?:[-*] )?\**not built\b",
    "prediction and outcome": r"\bprediction(?:s)? and outcomes?\b",
    "newest last": r"\bnewest last\b",
    "date in prose": rf"\bon \d{{1,2}} (?:{MONTHS})\b|\b\d{{1,2}} (?:{MONTHS}) 20\d\d\b",
    "commit in prose": r"\b(?:in|of|at|since|until) commit `?[0-9a-f]{7,40}\b",
    "note to do": r"\b(?:TODO|FIXME|XXX)\b",
}
_PATTERNS = {name: re.compile(pattern, re.IGNORECASE | re.MULTILINE) for name, pattern in REFUSED.items()}


def refused(text: str) -> list[str]:
    """Which kinds of such words a text has, with what was found."""
    return [f"{name}: {match[0]!r}" for name, pattern in _PATTERNS.items() for match in pattern.finditer(text)]


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of what a file says to a reader: a page as a whole, of Python its comments and docstrings."""
    text = path.read_text()
    if path.suffix != ".py":
        yield 1, text
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        # A string that stands alone is a docstring, of a module, a class, a function or a field.
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value
