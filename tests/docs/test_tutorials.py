"""Every command and every line of Python of the README and the tutorials runs, one page after another in one folder.

Commands are forked from a process that has their imports; that this changes nothing is held by `test_warm_commands.py`,
and `tests/wheel` starts them as a reader does.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import blocks, environment, play
from warm_commands import warm_python

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
TUTORIALS = [
    ROOT / "docs" / "tutorials" / f"{name}.md"
    for name in ("first_grid", "your_adapter", "your_backbone", "your_task", "your_data", "from_python")
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One working folder for all pages, since later ones use what the first one wrote."""
    return tmp_path_factory.mktemp("reader")


def test_every_tutorial_is_played() -> None:
    assert sorted(TUTORIALS) == sorted((ROOT / "docs" / "tutorials").glob("*.md"))


def processor_seconds() -> float:
    """Of this process and of those it has waited for, with theirs."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


@pytest.fixture(scope="module")
def programs(folder: Path) -> Iterator[Path]:
    before = processor_seconds()
    with warm_python(environment(folder)) as found:
        yield found
    # Not by the clock, which other work on the machine delays.
    assert processor_seconds() - before < 120, "all pages together take more than two minutes of one processor"


def test_the_readme_runs_from_top_to_bottom(folder: Path, programs: Path) -> None:
    assert {block.language for block in blocks(README)} >= {"shell", "python"}
    play(README, folder, programs)


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_the_page_runs_from_top_to_bottom(page: Path, folder: Path, programs: Path) -> None:
    assert any(block.language in {"shell", "python"} for block in blocks(page))
    play(page, folder, programs)
