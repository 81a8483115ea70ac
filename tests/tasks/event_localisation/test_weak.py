"""Weak supervision by hand: the mean of segment logits against the clip's class."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score
from torch.nn import functional as F

from registry.errors import UserError
from registry.vocabulary import Features
from tasks.datasets.prepare import prepare
from tasks.event_localisation.task import EventLocalisation
from tasks.event_localisation.weak import WeakSupervision
from tasks.media.encode import encode_clip


def as_features(streams):
    return {m: Features(x[:, :, None], x) for m, x in streams.items()}


def test_smoothing_of_labels_that_nobody_knows_is_refused():
    with pytest.raises(UserError, match=r"label_smoothing=0\.1 is of segments' labels"):
        EventLocalisation(supervision="weak", label_smoothing=0.1)


@pytest.mark.parametrize("form", ["linear", "stg_cma", "lavish"])
def test_loss_by_hand(form):
    logits = torch.tensor([[[2.0, 0.0, 0.0], [0.0, 4.0, 0.0]]])
    head = EventLocalisation(supervision="weak", head=form).head(4)
    loss = head.loss({"logits": logits}, {"category": torch.tensor([1])})["cross_entropy"]
    means = torch.tensor([1.0, 2.0, 0.0])
    assert torch.allclose(loss, -(means[1] - means.exp().sum().log()))


def test_training_never_sees_when():
    head = EventLocalisation(supervision="weak").head(4)
    assert isinstance(head, WeakSupervision)
    outputs = {"logits": torch.randn(2, 6, 9, generator=torch.Generator().manual_seed(0))}
    category = torch.tensor([3, 5])
    losses = [head.loss(outputs, {"category": category, "labels": torch.full((2, 6), n)}) for n in (0, 8)]
    assert (
        losses[0]["cross_entropy"] == losses[1]["cross_entropy"] == F.cross_entropy(outputs["logits"].mean(1), category)
    )


def test_predictions_are_the_segments_own_and_the_head_has_the_same_size():
    torch.manual_seed(0)
    full = EventLocalisation().head(4)
    torch.manual_seed(0)
    weak = EventLocalisation(supervision="weak").head(4)
    inputs = {m: torch.randn(2, 6, 4) for m in ("visual", "audio")}
    targets = {"labels": torch.zeros(2, 6, dtype=int), "category": torch.zeros(2, dtype=int), "id": ["a", "b"]}
    assert weak.predict(weak(as_features, inputs), targets) == full.predict(full(as_features, inputs), targets)
    assert sum(p.numel() for p in weak.parameters()) == sum(p.numel() for p in full.parameters())


@pytest.fixture
def ave(tmp_path):
    """Three clips with events and two without."""
    (tmp_path / "videos").mkdir()
    for clip in ("bell", "bark", "bus", "-bg1", "bg2"):
        encode_clip(tmp_path / "videos" / f"{clip}.mp4", np.full((20, 32, 32, 3), 90, np.uint8), 2, None)
    lines = [f"{clip}&{clip}&good&0&9" for clip in ("bell", "bark", "bus")]
    (tmp_path / "Annotations.txt").write_text("\n".join(lines))
    for name, line in zip(("trainSet", "valSet", "testSet"), lines, strict=True):
        (tmp_path / f"{name}.txt").write_text(line)
    (tmp_path / "backgroundSet.txt").write_text("-bg1\nbg2\n\n")
    return tmp_path


def test_clips_without_an_event_join_training_alone(ave):
    """As AVE's authors add 178 to the 3,339: their class is background, and so is each of their seconds."""
    task = EventLocalisation(str(ave), supervision="weak", background=True)
    plain = EventLocalisation(str(ave), supervision="weak")
    train = task.dataset("train")
    assert [train[i]["targets"]["id"] for i in range(len(train))] == ["bell", "-bg1", "bg2"]
    assert [train[i]["targets"]["category"] for i in range(len(train))] == [0, 3, 3]
    assert train[1]["targets"]["labels"].tolist() == [3] * 10
    assert [len(task.dataset(split)) for split in ("validation", "test")] == [1, 1]
    assert task.data_identity() != plain.data_identity()
    assert task.source.official == {"train": 3517, "validation": 402, "test": 402}
    head = task.head(4)
    assert head.loss({"logits": torch.zeros(1, 10, 4)}, {"category": torch.tensor([3])})


def test_a_store_has_the_background_clips_too(ave, tmp_path):
    task = EventLocalisation(str(ave), supervision="weak", background=True)
    prepare(task.source, tmp_path / "store", 32, 0)
    stored = EventLocalisation(str(tmp_path / "store"), supervision="weak", background=True)
    assert stored.dataset("train")[2]["targets"]["category"] == 3
    assert stored.data_identity() == task.data_identity() + "+32px"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "backgroundSet.txt is missing under .*; it lists clips without an event, one id a line"),
        ("\n", "has no clips"),
        ("bg2\nbg2\n", "has clip bg2, which is listed already"),
        ("bus\n", "has clip bus, which is listed already"),
        ("../bus\n", "clip id '../bus' is not a plain name"),
        ("gone\n", "media of 1 of 2 clips are missing"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused(ave, text, said):
    (ave / "backgroundSet.txt").unlink()
    if text is not None:
        (ave / "backgroundSet.txt").write_text(text)
    with pytest.raises(UserError, match=said):
        EventLocalisation(str(ave), supervision="weak", background=True).dataset("train")


def test_background_clips_are_for_weak_supervision_on_ave():
    with pytest.raises(UserError, match="background=True adds clips to weak supervision; give supervision='weak'"):
        EventLocalisation(background=True)
    with pytest.raises(UserError, match="option background=True means nothing for data='synthetic'"):
        EventLocalisation(supervision="weak", background=True)


def test_the_published_metric_counts_every_segment():
    """Segment accuracy over all test segments, background among them: 13 of 20."""
    task = EventLocalisation("ave", supervision="weak")
    truth = [[2] * 4 + [28] * 6, [28] * 10]
    said = [[2] * 3 + [28] * 7, [28] * 4 + [5] * 6]
    predictions = [
        {"id": str(i), "labels": t, "predicted": p} for i, (t, p) in enumerate(zip(truth, said, strict=True))
    ]
    assert task.evaluate(predictions).scores["segment_accuracy"] == 65.0
    assert accuracy_score(np.concatenate(truth), np.concatenate(said)) == 0.65
