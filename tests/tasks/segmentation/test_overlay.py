from __future__ import annotations

import numpy as np

from tasks.segmentation.overlay import FILL, PREDICTED, draw_mask

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
