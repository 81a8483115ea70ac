"""Kept pictures are the pictures that the front end makes each time."""

import pytest
import torch
from torch.utils.data import default_collate

from backbones.pictures import PictureSpec, SoundPicture
from benchmark import prepared as module
from benchmark.front_end import FrontEnd
from benchmark.prepared import PreparedClips, prepared

PICTURE = PictureSpec(16, (0.4,) * 3, (0.25,) * 3, SoundPicture(8, 31.25, 16, -3.0, 2.0))


class Clips(torch.utils.data.Dataset):
    """Three random clips that count how often they are read."""

    def __init__(self):
        generator = torch.Generator().manual_seed(0)
        self.frames = torch.randint(0, 255, (3, 2, 3, 16, 16), dtype=torch.uint8, generator=generator)
        self.sound = torch.randint(-9999, 9999, (3, 2, 16000), dtype=torch.int16, generator=generator)
        self.reads = 0

    def __len__(self):
        return 3

    def __getitem__(self, index):
        self.reads += 1
        inputs = {"frames": self.frames[index], "waveform": self.sound[index], "questions": torch.tensor([index])}
        return {"inputs": inputs, "targets": {"label": index}}


def test_same_pictures_as_the_front_end_made_each_time_and_each_clip_read_once():
    clips, front_end = Clips(), FrontEnd(PICTURE)
    expected = front_end(default_collate([clips[i]["inputs"] for i in range(3)]))
    clips.reads = 0
    kept = PreparedClips(clips, front_end)
    for _ in range(2):
        batch = default_collate([kept[i] for i in range(3)])
        assert batch["inputs"].keys() == expected.keys()
        for name, value in expected.items():
            assert torch.allclose(batch["inputs"][name].float(), value.float(), atol=1e-5)
        assert batch["targets"]["label"].tolist() == [0, 1, 2]
    assert clips.reads == 3


@pytest.mark.parametrize(("bound", "kept"), [(0, False), (2**30, True)])
def test_large_splits_are_not_kept(monkeypatch, bound, kept):
    monkeypatch.setattr(module, "KEPT_BYTES", bound)
    clips = Clips()
    assert isinstance(prepared(clips, FrontEnd(PICTURE)), PreparedClips) == kept
