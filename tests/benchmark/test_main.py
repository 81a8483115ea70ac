"""The command finds its own packages, whatever lies in the current folder or was installed beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = ("adapters", "backbones", "registry", "results", "tasks")


def run(folder: Path, *words: str, path: tuple[Path, ...] = (ROOT,)) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    command = [sys.executable, "-m", "benchmark", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", [("list", "tasks"), ("status",)])
def test_files_of_the_user_with_our_names_do_no_harm(tmp_path: Path, words: tuple[str, ...]) -> None:
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')")
    done = run(tmp_path, *words)
    assert "imported" not in done.stdout + done.stderr
    assert done.returncode == (0 if words[0] == "list" else 2)
    assert "Traceback" not in done.stderr


def test_a_package_of_another_project_in_place_of_ours_is_one_line(tmp_path: Path) -> None:
    other = tmp_path / "adapters"
    other.mkdir()
    (other / "__init__.py").write_text("from transformers_of_somebody import nothing")
    done = run(tmp_path, "list", "adapters", path=(tmp_path, ROOT))
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "the package 'adapters' at" in done.stderr
    assert "into a virtual environment of its own" in done.stderr
