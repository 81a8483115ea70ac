"""A media error is one line, wherever it was raised."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from tasks.media.decode import decode_clip
from tasks.media.errors import MediaError


class Damaged(Dataset[torch.Tensor]):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> torch.Tensor:
        return decode_clip("gone.mp4", 1).frames


@pytest.mark.parametrize("workers", [0, 1])
def test_the_line_survives_a_worker_process(workers: int) -> None:
    with pytest.raises(MediaError) as caught:
        next(iter(DataLoader(Damaged(), num_workers=workers)))
    assert str(caught.value) == "media file gone.mp4 is missing."


def test_names_of_files_move_no_cursor(tmp_path: Path) -> None:
    """Nor do they break a line, or end in a stack trace where they are no text."""

    for name in ("a\x1b]0;owned\x07.mp4", "two\nlines.mp4", os.fsdecode(b"\xff.mp4")):
        (tmp_path / name).write_bytes(b"no video")
        with pytest.raises(MediaError) as caught:
            decode_clip(tmp_path / name, 1)
        said = str(caught.value)
        assert said.isprintable()
        assert said.startswith("cannot decode ")
