from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tasks.segmentation.overlay import FILL, GAP, PREDICTED, TRUE, draw_mask, overlays, save_overlays

FRAME = np.full((224, 224, 3), 100, np.uint8)
BOX = np.zeros((224, 224), bool)
BOX[50:100, 60:120] = True


def test_a_mask_is_a_fill_within_a_contour_and_nothing_outside() -> None:
    drawn = draw_mask(FRAME, BOX)
    assert (drawn[~BOX] == 100).all()
    assert (drawn[50, 60:120] == PREDICTED).all()
    assert (drawn[52, 62:118] == 255).all()
    mixed = np.round(100 + FILL * (np.array(PREDICTED) - 100))
    assert np.abs(drawn[75, 90] - mixed).max() <= 1


def test_small_frames_are_drawn_larger_and_masks_of_another_size_fit() -> None:
    small = np.full((32, 32, 3), 100, np.uint8)
    drawn = draw_mask(small, BOX)
    assert drawn.shape == (224, 224, 3)
    assert np.array_equal(drawn, draw_mask(FRAME, BOX))


def test_the_truth_stands_beside_what_a_model_marks(tmp_path: Path) -> None:
    frames = torch.full((2, 3, 224, 224), 100, dtype=torch.uint8)
    truth = torch.from_numpy(BOX)[None].expand(2, -1, -1)
    nothing = torch.full((2, 224, 224), -3.0)
    pictures = overlays(frames, nothing, truth)
    assert [picture.shape for picture in pictures] == [(224, 448 + GAP, 3)] * 2
    assert (pictures[0][:, :224] == 100).all()
    assert (pictures[0][50, 224 + GAP + 60] == TRUE).all()
    assert len(overlays(frames, nothing)[0]) == 224
    paths = save_overlays(tmp_path / "clip", pictures)
    assert [path.name for path in paths] == ["0001.png", "0002.png"]
    assert np.array_equal(np.asarray(Image.open(paths[1])), pictures[1])
