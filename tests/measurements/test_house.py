"""The code stays as easy to find one's way in as it is."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "measurements" / "house.py"


def test_every_goal_holds() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False, cwd=ROOT)
    missed = [line for line in done.stdout.splitlines() if line.startswith("MISS")]
    assert (missed, done.returncode) == ([], 0), done.stderr[-2000:]
    assert len(done.stdout.splitlines()) == 14


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    import house

    return house


def test_circles_are_found(house) -> None:
    groups = house.components({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"d"}})
    assert sorted(map(sorted, groups)) == [["a"], ["b", "c"], ["d"]]


def test_what_only_a_type_checker_reads_is_no_import(house) -> None:
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import results.record\nimport tasks.task\n"
    assert [path.name for path in house.imported_files(ast.parse(source))] == ["task.py"]


def test_imports_inside_functions_are_counted_once(house) -> None:
    source = "import a\ndef f():\n    import b\n    def g():\n        import c\n"
    assert house.imports_inside_functions({Path("x"): ast.parse(source)}) == 2
