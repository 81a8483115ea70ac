"""The command finds its own packages, whatever lies in the current folder or was installed beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from queued_cells import cell

from benchmark.launch.plan import Plan, write_plan

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


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_our_characters_shows_question_marks(tmp_path: Path, encoding: str) -> None:
    write_plan(tmp_path, Plan((cell("abc"),)))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": f"{encoding}:strict", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "benchmark", "status", "--output", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert ("fake_backbone ? fake" if encoding == "ascii" else "fake_backbone × fake") in done.stdout.decode(encoding)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_behind_the_output_is_one_line(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "benchmark", "list"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [
        "error: cannot write what the command prints: No space left on device; make room where its output goes."
    ]
