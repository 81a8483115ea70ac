"""From mp4 files on disk to a leaderboard, through the real command line, with nothing replaced."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

CELL = ("--backbone", "tiny_vit(weights='none')", "--adapter", "stg_cma", "--task", "event_localisation")


def benchmark(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "benchmark", *words], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    assert benchmark("data", "sample", str(folder), "--clips", "2").returncode == 0
    return folder


def test_a_cell_trains_from_decoded_files_once_and_a_truncated_clip_is_one_line(sample: Path, tmp_path: Path) -> None:
    settings = [word for text in (f"data={sample}", "epochs=1", "precision=fp32") for word in ("--set", text)]
    words = ("run", *CELL, *settings, "--output", str(tmp_path), "--device", "cpu", "--jobs", "2")

    first = benchmark(*words)
    assert (first.returncode, first.stderr) == (0, "")
    record = json.loads(next((tmp_path / "records").iterdir()).read_text())
    assert record["status"] == "completed"
    assert record["parameters"]["adapter"] > 0
    assert record["labels"] == ["synthetic data", "random weights"]
    with (tmp_path / "leaderboard.csv").open(newline="") as file:
        assert [row["kind"] for row in csv.DictReader(file)].count("measured") == 1

    for clip in (sample / "ave" / "videos").iterdir():
        clip.write_bytes(clip.read_bytes()[:2000])
    second = benchmark(*words, "--seeds", "0", "1")
    lines = second.stdout.splitlines()
    assert second.returncode == 2
    assert lines[0].startswith("2 cells: 1 done, 1 to train")
    assert "failed" in lines[1]
    assert ".mp4" in lines[1]
