"""The papers' grounding head: its size to the unit, its equations written out by hand, and what it may look at."""

import pytest
import torch
from torch.nn import functional as F

from benchmark.cost.published_counts import UNUSED_OF_HEADS
from registry.errors import UserError
from registry.vocabulary import Features
from tasks.avqa.grounded import GroundedReadout
from tasks.avqa.negatives import WithNegatives
from tasks.avqa.task import Avqa


class Recorder:
    """Hands out the pictures as tokens and remembers what it was asked for, with or without gradients."""

    def __init__(self):
        self.calls = []

    def __call__(self, streams):
        self.calls.append((tuple(streams), torch.is_grad_enabled()))
        return {m: Features(x, x.mean(2)) for m, x in streams.items()}


def small_head(form="lavish"):
    torch.manual_seed(0)
    return GroundedReadout(6, words=9, answers=4, form=form, width=8).eval()


def batch(clips=2, segments=3, places=5):
    torch.manual_seed(1)
    return {
        "visual": torch.randn(clips, segments, places, 6),
        "audio": torch.randn(clips, segments, 4, 6),
        "negative": torch.randn(clips, segments, places, 6),
        "questions": torch.tensor([[[1, 2, 3, 0]], [[4, 5, 0, 0]]])[:clips],
    }


@pytest.mark.parametrize(
    ("form", "live", "published"),
    [("lavish", 9_424_556, 12_182_188), ("stg_cma", 8_900_396, 8_900_396)],
)
def test_counts_of_the_specifications(form, live, published):
    """SwinV2-L and Swin-L, 93 words, 42 answers: lavish.md section 8, stg_cma.md section 6.

    LAVISH's figure includes what it never uses: fc_a1, fc_a1_pure, fc_a2_pure, fc_v, fc_st, fc, fc_aq, fc_vq, norm3.
    """
    task = Avqa(data="music_avqa", head=form)
    with torch.device("meta"):
        head = task.head(1536)
    assert sum(p.numel() for p in head.parameters()) == live
    assert live + UNUSED_OF_HEADS.get(("avqa", form), 0) == published


def test_grounding_by_hand():
    """One place after another, in plain loops: cosine, softmax over places, sum of unit vectors, tanh, layer."""
    head, inputs = small_head(), batch(clips=1)
    encode = Recorder()
    outputs = head(encode, inputs)
    visual, audio = inputs["visual"][0], inputs["audio"][0]
    sights, sounds = [], []
    for t in range(3):
        sound = head.sound[1](F.relu(torch.stack([head.hear(token) for token in audio[t]]).mean(0)))
        places = [head.see(token) for token in visual[t]]
        weights = torch.stack([F.cosine_similarity(p, sound, dim=0) for p in places]).softmax(0)
        found = sum(w * p / p.norm() for w, p in zip(weights, places, strict=True))
        mean = torch.stack(places).mean(0)
        sights.append(head.ground(torch.tanh(torch.cat([mean, found]))))
        sounds.append(sound)
    pairs = torch.stack([torch.cat([a, v]) for a, v in zip(sounds, sights, strict=True)])
    torch.testing.assert_close(outputs["match"][0], head.match(pairs), atol=1e-5, rtol=1e-4)
    heard, seen = torch.stack(sounds)[None], torch.stack(sights)[None]
    asked = head.question(inputs["questions"][0])[None]
    answer = []
    for over, x in ((head.over_sound, heard), (head.over_sight, seen)):
        y = over.attend(asked, x, x)[0]
        answer.append(F.layer_norm(y + over.feed_forward(y), (8,), over.norm.weight, over.norm.bias) + x.mean(1))
    joint = torch.tanh(head.fuse(torch.tanh(torch.cat(answer, -1))) * asked)
    torch.testing.assert_close(outputs["logits"], head.answer(joint), atol=1e-5, rtol=1e-4)


def test_stg_cma_projects_sound_in_two_steps():
    head = small_head("stg_cma")
    assert [type(layer).__name__ for layer in head.sound] == ["Linear", "ReLU", "Linear"]
    assert head.hear.out_features == 2


def test_negatives_are_encoded_alone_and_without_gradient():
    encode = Recorder()
    small_head()(encode, batch())
    assert encode.calls == [(("visual", "audio"), True), (("visual",), False)]


def test_without_negatives_there_is_no_matching():
    inputs = batch()
    with_negatives = small_head()(Recorder(), inputs)["logits"]
    del inputs["negative"]
    outputs = small_head()(Recorder(), inputs)
    assert set(outputs) == {"logits"}
    torch.testing.assert_close(outputs["logits"], with_negatives)


def test_loss_by_hand():
    """Half of the mean over own and other frames; a uniform guess costs log 2 each."""
    head = small_head()
    certain = torch.tensor([-20.0, 20.0]).expand(1, 3, 2)
    outputs = {"logits": torch.zeros(1, 1, 4), "match": certain, "mismatch": torch.zeros(1, 3, 2)}
    losses = head.loss(outputs, {"answers": torch.tensor([[2]])})
    assert float(losses["cross_entropy"]) == pytest.approx(torch.tensor(4.0).log())
    assert float(losses["match"]) == pytest.approx(0.5 * 0.5 * torch.tensor(2.0).log())


def test_every_parameter_learns():
    head, inputs = small_head().train(), batch()
    losses = head.loss(head(Recorder(), inputs), {"answers": torch.tensor([[1], [2]])})
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())


class Frames(torch.utils.data.Dataset):
    def __init__(self, names):
        self.clip_names = names

    def __len__(self):
        return len(self.clip_names)

    def __getitem__(self, index):
        return {"inputs": {"frames": torch.tensor([index])}, "targets": {}}


def test_negatives_are_of_another_clip_and_follow_from_epoch_and_place():
    items = WithNegatives(Frames(["a", "a", "b", "c"]))

    def drawn(seed):
        items.begin_epoch(seed)
        return [int(items[i]["inputs"]["negative_frames"]) for i in range(4)]

    epochs = [drawn(seed) for seed in range(20)]
    names = ["a", "a", "b", "c"]
    assert all(names[other] != names[i] for epoch in epochs for i, other in enumerate(epoch))
    assert drawn(3) == epochs[3]
    assert len({tuple(epoch) for epoch in epochs}) > 5


def test_one_clip_has_no_negatives():
    with pytest.raises(UserError, match="another clip"):
        WithNegatives(Frames(["a", "a"]))


def test_options():
    with pytest.raises(UserError, match="needs both"):
        Avqa(head="lavish", modality="audio")
    with pytest.raises(UserError, match=r"unknown head of avqa 'lavis'. Did you mean lavish"):
        Avqa(head="lavis")


def test_sizes_without_files_train_nothing():
    task = Avqa(data="music_avqa")
    assert (len(task.words), len(task.answers), task.segments) == (93, 42, 10)
    for use in (task.prepare, task.data_identity, lambda: task.dataset("train")):
        with pytest.raises(UserError, match=r"give its folder, as in data=\./music_avqa"):
            use()


@pytest.mark.parametrize("head", ["lavish", "stg_cma"])
def test_only_training_has_negatives(head, monkeypatch):
    task = Avqa(head=head)
    monkeypatch.setattr(task._source, "clips", lambda split: Frames(["a", "b"]))
    assert isinstance(task.dataset("train"), WithNegatives)
    assert isinstance(task.dataset("test"), Frames)
