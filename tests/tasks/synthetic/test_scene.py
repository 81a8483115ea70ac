"""The procedural world draws what it promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.synthetic import store
from tasks.synthetic.paint import Things, paint
from tasks.synthetic.render import render_frames
from tasks.synthetic.scene import CLASSES, PLACES, make_scene
from tasks.synthetic.sound import render_sound

SEEDS = st.integers(0, 2**31)


@given(SEEDS, st.sampled_from(["event", "ensemble"]))
def test_same_seed_same_scene(seed, kind):
    assert make_scene(seed, kind=kind) == make_scene(seed, kind=kind)
    assert make_scene(seed, kind=kind) != make_scene(seed + 1, kind=kind)


@given(SEEDS, st.integers(4, 12))
def test_event_scene_has_one_event_of_the_promised_length(seed, segments):
    scene = make_scene(seed, segments)
    events = [thing for thing in scene.things if thing.event]
    assert len(events) == 1
    length = scene.event.end - scene.event.start
    assert round(0.4 * segments) <= length <= round(0.85 * segments)
    assert (scene.labels() < len(CLASSES)).sum() == length


@given(SEEDS, st.sampled_from(["event", "ensemble"]))
def test_things_differ_in_class_colour_and_stay_inside_the_clip(seed, kind):
    scene = make_scene(seed, kind=kind)
    assert len({thing.category for thing in scene.things}) == len(scene.things)
    assert len({thing.colour for thing in scene.things}) == len(scene.things)
    for thing in scene.things:
        for span in (thing.seen, thing.heard):
            assert span is None or 0 <= span[0] < span[1] <= scene.segments


@given(SEEDS)
def test_seen_things_of_an_ensemble_stand_in_different_places_and_sound_while_seen(seed):
    scene = make_scene(seed, kind="ensemble")
    seen = [thing for thing in scene.things if thing.seen]
    assert len({thing.place for thing in seen}) == len(seen) <= len(PLACES)
    for thing in seen:
        if thing.heard:
            assert thing.seen[0] <= thing.heard[0] < thing.heard[1] <= thing.seen[1]
    assert any(thing.heard for thing in scene.things)


@settings(max_examples=10)
@given(SEEDS)
def test_a_thing_shows_only_while_seen_and_at_its_place(seed):
    scene = make_scene(seed, kind="ensemble")
    frames = render_frames(scene, size=36).astype(int)
    for thing in scene.things:
        if thing.seen is None:
            continue
        column = slice(12 * thing.place, 12 * thing.place + 12)
        shown = [second for second in range(scene.segments) if thing.seen[0] <= second < thing.seen[1]]
        hidden = [second for second in range(scene.segments) if second not in shown]
        for second in hidden:
            difference = np.abs(frames[shown[0], :, column] - frames[second, :, column]).max()
            assert difference > 20


@settings(max_examples=10)
@given(SEEDS)
def test_sound_is_loud_only_while_something_is_heard(seed):
    scene = make_scene(seed)
    seconds = render_sound(scene).reshape(scene.segments, -1)
    over_noise = np.sqrt(np.square(seconds, dtype=np.float64).mean(1)) / scene.noise
    for second in range(scene.segments):
        audible = any(thing.heard and thing.heard[0] <= second < thing.heard[1] for thing in scene.things)
        # Noise of 16,000 samples strays by half a per cent from its deviation.
        assert (over_noise[second] > 1.1) == audible


@pytest.mark.parametrize("category", range(len(CLASSES)))
def test_every_shape_differs_from_every_other(category):
    def draw(shape):
        one = np.array([[shape]])
        things = Things(one, one * 0, one * 0, *(np.full((1, 1), v) for v in (0.5, 0.5, 0.3, 0.0)))
        return paint(things, np.array([1]), 32).astype(int)

    for other in set(range(len(CLASSES))) - {category}:
        assert (np.abs(draw(category) - draw(other)).max(-1) > 40).mean() > 0.02


def test_splits_share_no_scene():
    seeds = [set(store.seeds("event", split)) for split in ("train", "validation", "test")]
    assert not seeds[0] & seeds[1]
    assert not seeds[0] & seeds[2]
    assert not seeds[1] & seeds[2]
