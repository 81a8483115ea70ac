"""A media error is one line, wherever it was raised."""

from __future__ import annotations

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
