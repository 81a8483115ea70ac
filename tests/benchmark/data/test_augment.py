"""Augmentations: nothing unless asked, bounded as the recipe says, and the same for the same seed, epoch and item."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from backbones.pictures import PictureSpec, SoundPicture
from benchmark.data.augment import AugmentedClips, augments, change_frames, draw_sound_changes, erased, rand_augment
from benchmark.model.front_end import FrontEnd
from benchmark.model.log_mel import change_sound
from registry.errors import UserError
from tasks.recipe import Recipe

SOUND = SoundPicture(mel_bands=12, frame_shift_ms=10.0, frames=20, mean=-4.0, std=3.0)
EVERYTHING = Recipe(rand_augment=2, crop=0.5, flip=0.5, mask_bands=4, mask_frames=6, noise=0.1, roll=3)


class Clips(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        frames = torch.from_numpy(rng.integers(0, 255, (2, 3, 16, 16), dtype=np.uint8))
        waveform = torch.from_numpy(rng.normal(size=(2, 4000)).astype(np.float32))
        return {"inputs": {"frames": frames, "waveform": waveform}, "targets": {"id": str(index)}}


def items(clips, workers=0):
    return [batch["inputs"] for batch in DataLoader(clips, batch_size=1, num_workers=workers)]


def same(one, other):
    return all(
        a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a) for a, b in zip(one, other, strict=True)
    )


def test_the_default_recipe_asks_for_nothing():
    assert not augments(Recipe())
    for name in ("rand_augment", "crop", "flip", "erase", "mask_bands", "mask_frames", "noise", "roll"):
        assert augments(Recipe(**{name: 1}))


def test_items_follow_from_epoch_and_place_whichever_worker_reads_them():
    clips = AugmentedClips(Clips(), EVERYTHING, SOUND)
    clips.begin_epoch(7)
    first = items(clips)
    assert same(first, items(clips))
    assert same(first, items(clips, workers=2))
    clips.begin_epoch(8)
    assert not same(first, items(clips))
    clips.begin_epoch(7)
    assert same(first, items(clips))


def test_an_epoch_begins_below_too():
    class Below(Clips):
        seed = None

        def begin_epoch(self, seed):
            self.seed = seed

    below = Below()
    AugmentedClips(below, EVERYTHING, SOUND).begin_epoch(5)
    assert below.seed == 5


def test_frames_of_a_clip_change_alike():
    """Equal frames stay equal, and the size stays."""
    frames = torch.randint(0, 255, (1, 3, 16, 24), dtype=torch.uint8).expand(5, -1, -1, -1)
    for seed in range(10):
        changed = change_frames(frames, EVERYTHING, np.random.default_rng(seed))
        assert (changed.shape, changed.dtype) == (frames.shape, torch.uint8)
        assert all(torch.equal(changed[0], frame) for frame in changed)


def test_flip_mirrors_and_crop_cuts():
    ramp = torch.arange(0, 240, 10, dtype=torch.uint8).expand(1, 3, 16, 24)
    mirrored = change_frames(ramp, Recipe(flip=1.0), np.random.default_rng(0))
    assert torch.equal(mirrored, ramp.flip(-1))
    spans = []
    for seed in range(50):
        cropped = change_frames(ramp, Recipe(crop=0.9), np.random.default_rng(seed))[0, 0, 0].float()
        assert bool((cropped.diff() >= 0).all())
        spans.append(float(cropped[-1] - cropped[0]))
    assert min(spans) < 120 < max(spans)


def test_rand_augment_changes_frames_and_leaves_the_global_generators_alone():
    frames = torch.randint(0, 255, (2, 3, 16, 24), dtype=torch.uint8)
    random.seed(3)
    np.random.seed(3)
    expected = random.random(), np.random.random()
    random.seed(3)
    np.random.seed(3)
    changed = [rand_augment(frames, 4, 7.0, np.random.default_rng(seed)) for seed in range(8)]
    assert (random.random(), np.random.random()) == expected
    assert any(not torch.equal(one, frames) for one in changed)
    assert torch.equal(changed[5], rand_augment(frames, 4, 7.0, np.random.default_rng(5)))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 500))
def test_one_box_of_all_frames_is_erased_with_noise(seed):
    frames = torch.full((3, 3, 20, 30), 117, dtype=torch.uint8)
    gone = erased(frames, np.random.default_rng(seed)) != 117
    assert bool((frames == 117).all())
    rows, columns = (gone.flatten(0, 1).any(0).any(axis).nonzero().flatten() for axis in (1, 0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    share = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1) / 600
    assert 0.005 < share < 0.4
    assert all(frame[:, *box].float().mean() > 0.8 for frame in gone)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 500), st.integers(0, 15), st.integers(0, 30))
def test_masks_stay_within_their_widths_and_the_picture(seed, bands, frames):
    recipe = Recipe(mask_bands=bands, mask_frames=frames)
    drawn = draw_sound_changes(3, recipe, SOUND, np.random.default_rng(seed))
    if not (bands or frames):
        assert drawn == {}
        return
    changed = change_sound(torch.ones(1, 3, 20, 12), {k: v[None] for k, v in drawn.items()})[0]
    hidden_bands, hidden_frames = (changed == 0).all(1).sum(1), (changed == 0).all(2).sum(1)
    band, width, frame, length = drawn["sound_hidden"].T
    assert (width <= bands).all()
    assert (length <= frames).all()
    assert (band + width <= 12).all()
    assert (frame + length <= 20).all()
    # A mask over all frames hides all bands, and the other way round.
    assert torch.equal(hidden_bands, torch.where(length == 20, 12, width))
    assert torch.equal(hidden_frames, torch.where(width == 12, 20, length))


def test_masks_reach_their_full_width():
    recipe = Recipe(mask_bands=4, mask_frames=6)
    hidden = draw_sound_changes(500, recipe, SOUND, np.random.default_rng(0))["sound_hidden"]
    assert hidden[:, [1, 3]].amax(0).tolist() == [4, 6]
    assert hidden[:, [1, 3]].amin(0).tolist() == [0, 0]


def test_noise_is_bounded_and_its_strength_varies():
    noise = draw_sound_changes(40, Recipe(noise=0.1), SOUND, np.random.default_rng(0))["sound_noise"]
    assert noise.shape == (40, 20, 12)
    assert 0 <= noise.min() <= noise.max() <= 0.1
    assert noise.amax((1, 2)).min() < 0.03 < 0.08 < noise.max()


def test_rolling_is_torchs_along_time():
    pictures = torch.randn(1, 3, 20, 12)
    rolled = change_sound(pictures, {"sound_roll": torch.tensor([[0, 3, -2]])})
    for segment, by in enumerate((0, 3, -2)):
        assert torch.equal(rolled[0, segment], pictures[0, segment].roll(by, dims=0))


def test_the_front_end_changes_pictures_only_and_hands_nothing_on():
    front_end = FrontEnd(PictureSpec(16, (0.5,) * 3, (0.25,) * 3, SOUND))
    plain = front_end(items(Clips())[0])
    clips = AugmentedClips(Clips(), Recipe(mask_bands=12, mask_frames=20, noise=0.1, roll=3), SOUND)
    clips.begin_epoch(1)
    changed = front_end(items(clips)[0])
    assert plain.keys() == changed.keys() == {"visual", "audio"}
    assert torch.equal(plain["visual"], changed["visual"])
    assert plain["audio"].shape == changed["audio"].shape
    assert not torch.equal(plain["audio"], changed["audio"])


@pytest.mark.parametrize("field", ["crop", "flip", "erase"])
def test_shares_are_at_most_one(field):
    with pytest.raises(UserError, match=f"recipe {field}=1.5 must be at most 1"):
        Recipe(**{field: 1.5})


class MaskedClips(Clips):
    def __getitem__(self, index):
        item = super().__getitem__(index)
        return {**item, "targets": {**item["targets"], "masks": torch.zeros(2, 16, 16, dtype=torch.uint8)}}


@pytest.mark.parametrize("change", [{"crop": 0.5}, {"flip": 0.5}, {"rand_augment": 2}])
def test_frames_are_not_moved_away_from_their_masks(change):
    with pytest.raises(UserError, match="leave their masks; set them to 0"):
        AugmentedClips(MaskedClips(), Recipe(**change), SOUND)[0]


def test_what_leaves_pixels_in_place_is_done_to_clips_with_masks():
    assert AugmentedClips(MaskedClips(), Recipe(erase=1.0), SOUND)[0]["targets"]["masks"].shape == (2, 16, 16)
