"""Whoever outlives a decoder knows which file it died on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.utils.data import Dataset

from benchmark.data.loader import clip_loader
from benchmark.launch.cell import SECONDS_OF_DYING
from tasks.media import underway
from tasks.media.errors import MediaError, naming

ROOT = Path(__file__).parents[3]


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Path]:
    underway.note_in(tmp_path / "notes")
    yield tmp_path / "notes"
    underway.note_in(None)


def ended_by(signal_number: int, folder: Path) -> int:
    code = (
        "import os, sys; from pathlib import Path\n"
        "from tasks.media import underway; from tasks.media.errors import naming\n"
        "underway.note_in(Path(sys.argv[1]))\n"
        "with naming(Path('whole.mp4')): pass\n"
        f"with naming(Path('/clips/bad.mp4')): os.kill(os.getpid(), {signal_number})"
    )
    return subprocess.run([sys.executable, "-c", code, str(folder)], cwd=ROOT, check=False).returncode


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_the_file_of_a_process_that_died_is_named(notes: Path, number: int) -> None:
    assert ended_by(number, notes) == -number
    assert underway.left_by_the_dead(notes) == [Path("/clips/bad.mp4")]


def test_an_error_is_no_death(notes: Path) -> None:
    with pytest.raises(MediaError), naming(Path("bad.mp4")):
        raise ValueError("bad")
    assert underway.left_by_the_dead(notes) == []
    assert [note.read_bytes().strip(b"\0") for note in notes.iterdir()] == [b""]


def test_notes_follow_no_link(notes: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    notes.mkdir()
    (notes / str(os.getpid())).symlink_to(tmp_path / "victim")
    with naming(Path("a.mp4")):
        pass
    assert (tmp_path / "victim").read_text() == "precious"


class Deadly(Dataset):
    """Its last clip kills whoever reads it."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> torch.Tensor:
        with naming(Path(f"/clips/{index}.mp4")):
            if index == 3:
                os.kill(os.getpid(), signal.SIGSEGV)
            return torch.zeros(1)


def test_the_file_on_which_a_loaders_process_died_is_known_where_it_was_started(
    notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    with pytest.raises((RuntimeError, ConnectionError, EOFError)):
        list(clip_loader(Deadly(), workers=1, batch_size=1))
    time.sleep(SECONDS_OF_DYING)
    assert underway.left_by_the_dead(notes) == [Path("/clips/3.mp4")]
