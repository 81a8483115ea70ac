"""The notebooks are the tutorial pages, and run from top to bottom (`pytest -m notebooks`, extra [notebooks])."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))

pytestmark = pytest.mark.notebooks


def test_there_are_two() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["first_grid", "from_python"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_its_page(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import jupytext

    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_site"))
    from notebooks import notebook

    cells = [(cell.cell_type, cell.source) for cell in jupytext.read(path).cells]
    assert cells == [(cell.cell_type, cell.source) for cell in notebook(path.stem).cells]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("AVBENCH_CACHE", str(tmp_path / "cache"))
    NotebookClient(
        nbformat.read(path, as_version=4), timeout=600, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
