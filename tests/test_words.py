"""The project says what is; how it came about is git's to tell."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from words import prose, refused

ROOT = Path(__file__).parents[1]
# The list itself, and this file's sentences, name the words.
EXEMPT = {"tests/helpers/words.py", "tests/test_words.py"}
KINDS = {".py", ".md", ".toml", ".yml", ".cff", ".css", ".js", ".html", ".ipynb"}


def _files() -> list[Path]:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [Path(name) for name in tracked.split("\0") if name and name not in EXEMPT]
    return [
        path
        for path in paths
        if (path.suffix in KINDS or path.name in {"Makefile", "Dockerfile"} or path.parts[0] == "measurements")
        and (ROOT / path).is_file()
    ]


def test_no_page_comment_or_docstring_is_a_diary() -> None:
    found = [
        f"{path}:{line}: {word}" for path in _files() for line, text in prose(ROOT / path) for word in refused(text)
    ]
    assert found == []


def test_pages_changelog_workflows_and_measurements_are_among_what_is_read() -> None:
    read = {str(path) for path in _files()}
    assert read >= {"CHANGELOG.md", "README.md", "Dockerfile", ".github/workflows/ci.yml", "measurements/parity.json"}
    assert read >= {str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")}


@pytest.mark.parametrize(
    "sentence",
    [
        "Measured in an earlier sitting (load 4.2).",
        "See issue 19 for the reason.",
        "One pass over the weights: tried, not kept.",
        "Lent for 15 minutes, a lease of time.",
        "- **Not built**: a second kernel.",
        "The tables are those of 24 November 2026.",
        "It took 9 minutes at commit `305eccc`.",
        "The last session left this open.",
        "TODO: mend.",
    ],
)
def test_a_diary_is_noticed(sentence: str) -> None:
    assert refused(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "A cell is trained under a lease that ends with its holder.",
        "Two runs load clips in processes of their own.",
        "Each record keeps the commit of its sources.",
        "Helpers of the family readers: clear refusals.",
        "An adapter that was not kept cannot be loaded.",
        "Numbers are those of the official classes (kaiw7/STG-CMA, commit b09534d).",
    ],
)
def test_plain_sentences_pass(sentence: str) -> None:
    assert refused(sentence) == []
