"""Masks of the procedural world belong to its clips, and show what is heard and seen."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.synthetic.masks import paint_scene, sounding_masks, visible
from tasks.synthetic.render import render_frames
from tasks.synthetic.scene import make_scene


@pytest.mark.parametrize("kind", ["event", "ensemble"])
def test_frames_are_those_that_clips_were_rendered_from_bit_for_bit(kind):
    for seed in (1, 2, 3, 20_000_005):
        for size, fps in ((32, 1), (24, 2)):
            scene = make_scene(seed, kind=kind)
            assert np.array_equal(paint_scene(scene, size, fps)[0], render_frames(scene, size, fps))


def test_a_mask_holds_the_visible_pixels_of_what_is_heard_in_that_second_and_no_others():
    for seed in range(40):
        scene = make_scene(seed)
        owners, masks = paint_scene(scene, 32, 1)[1], sounding_masks(scene)
        assert masks.shape == (scene.segments, 32, 32)
        for second in range(scene.segments):
            heard = [
                k for k, thing in enumerate(visible(scene)) if thing.heard and thing.heard[0] <= second < thing.heard[1]
            ]
            assert np.array_equal(masks[second], np.isin(owners[second], heard))


def test_an_event_has_a_mask_in_its_seconds_and_nowhere_else():
    empty = 0
    for seed in range(60):
        scene = make_scene(seed)
        shown = sounding_masks(scene).any((1, 2))
        expected = np.zeros(scene.segments, dtype=bool)
        expected[scene.event.start : scene.event.end] = True
        assert np.array_equal(shown, expected)
        empty += (~shown).sum()
    assert 0.3 < empty / (60 * 6) < 0.5


def test_masks_follow_the_size_and_rate_of_frames():
    scene = make_scene(5)
    once, twice = sounding_masks(scene, 64, 1), sounding_masks(scene, 64, 2)
    assert twice.shape == (12, 64, 64)
    assert (once.any((1, 2)) == twice[::2].any((1, 2))).all()
