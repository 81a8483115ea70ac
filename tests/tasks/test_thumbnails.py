from __future__ import annotations

import io

import numpy as np
from PIL import Image

from tasks.thumbnails import MOST_FRAMES, SIDE, chosen, strip


def test_a_strip_is_a_small_jpeg_of_frames_side_by_side() -> None:
    frames = [np.full((224, 224, 3), 20 * place, np.uint8) for place in range(10)]
    content = strip(frames)
    picture = Image.open(io.BytesIO(content))
    assert (picture.format, picture.size) == ("JPEG", (10 * SIDE, SIDE))
    seen = np.asarray(picture)[SIDE // 2, SIDE // 2 :: SIDE, 0]
    assert np.abs(seen.astype(int) - 20 * np.arange(10)).max() <= 3
    assert len(content) < 10_000


def test_lines_stand_below_each_other_and_keep_the_shape_of_frames() -> None:
    wide = [np.zeros((32, 64, 3), np.uint8)] * 2
    assert Image.open(io.BytesIO(strip(wide, wide))).size == (4 * SIDE, 2 * SIDE)


def test_of_many_frames_evenly_spaced_ones_are_taken() -> None:
    frames = [np.full((1, 1, 3), place, np.uint8) for place in range(31)]
    assert [int(frame[0, 0, 0]) for frame in chosen(frames)] == [0, 3, 6, 10, 13, 16, 20, 23, 26, 30]
    assert len(chosen(frames)) == MOST_FRAMES
