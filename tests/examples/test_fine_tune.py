"""The example of fine-tuning inside a project of one's own trains, whatever else runs in its process."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
import torch
from kept_cells import Kept
from kept_fixtures import kept, sample

__all__ = ["kept", "sample"]
EXAMPLE = Path(__file__).parents[2] / "examples" / "fine_tune.py"


def test_it_is_short() -> None:
    lines = [line for line in EXAMPLE.read_text().splitlines()[1:] if line]
    assert len(lines) <= 15 + len(["import sys", "import torch", "import benchmark"])


def test_it_trains(kept: dict[str, Kept], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), str(kept["retrieval"].folder), "30"])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    losses = [float(line.split()[1]) for line in capsys.readouterr().out.splitlines()]
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])
