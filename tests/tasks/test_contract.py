"""Every task passes its exam, and the exam finds who breaks a rule."""

from typing import ClassVar

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from registry import TASKS, look_up
from registry.vocabulary import ItemScore
from tasks.contract import CHECKS, clips_collate, features_stand_in_for_pictures, head_learns, scores_follow_from_items
from tasks.recipe import Recipe
from tasks.sample.export import export_sample
from tasks.synthetic import store
from tasks.task import Evaluation, Head, Task


@pytest.fixture
def small_world(tmp_path, monkeypatch):
    monkeypatch.setenv("AVBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(store, "SIZES", dict.fromkeys(store.SIZES, dict.fromkeys(("train", "validation", "test"), 4)))


@pytest.mark.usefixtures("small_world")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("avqa", {}),
        ("avqa", {"head": "lavish"}),
        ("event_localisation", {}),
        ("event_localisation", {"head": "stg_cma"}),
        ("event_localisation", {"head": "cmbs"}),
        ("event_localisation", {"supervision": "weak"}),
        ("parsing", {}),
        ("parsing", {"head": "han"}),
        ("retrieval", {}),
        ("segmentation", {}),
    ],
)
def test_built_in_tasks_pass(name, options):
    for check in CHECKS:
        check(look_up(TASKS, name)(**options))


class Clips(Dataset):
    def __init__(self, names):
        self.names = names

    def __getitem__(self, index):
        made = torch.Generator().manual_seed(index)
        frames = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8, generator=made)
        waveform = torch.rand(3, 100, generator=made)
        return {
            "inputs": {"frames": frames, "waveform": waveform},
            "targets": {"id": self.names[index], "category": index},
        }


class Classify(Head):
    reads_tokens = False

    def __init__(self, dim):
        super().__init__()
        self.classify = nn.Linear(dim, 2)

    def forward(self, encode, inputs):
        return {"logits": self.classify(encode({"visual": inputs["visual"]})["visual"].pooled.mean(dim=1))}

    def loss(self, outputs, targets):
        return {"cross_entropy": nn.functional.cross_entropy(outputs["logits"], targets["category"])}

    def predict(self, outputs, targets):
        right = outputs["logits"].argmax(-1) == targets["category"]
        return [{"id": name, "right": float(one)} for name, one in zip(targets["id"], right, strict=True)]


class Good(Task):
    primary_metric = "accuracy"
    published_recipe = Recipe()
    made: ClassVar[type[Head]] = Classify
    names = ("a", "b")
    segments = 3

    def dataset(self, split):
        return Clips(self.names)

    def head(self, dim):
        return self.made(dim)

    def evaluate(self, predictions):
        items = [ItemScore(p["id"], p["right"]) for p in predictions]
        return Evaluation({"accuracy": 100 * sum(item.score for item in items) / len(items)}, items)

    def example_inputs(self, batch):
        return {
            "frames": torch.zeros(batch, self.segments, 3, 8, 8, dtype=torch.uint8),
            "waveform": torch.zeros(batch, self.segments, 100),
        }

    def data_identity(self):
        return "made@1"


def test_a_task_from_outside_passes():
    for check in CHECKS:
        check(Good())


class CallsTwoAlike(Good):
    names = ("a", "a")


class CountsOtherShapes(Good):
    segments = 4


class Idle(Classify):
    def __init__(self, dim):
        super().__init__(dim)
        self.idle = nn.Linear(dim, 2)


class LeavesPartsIdle(Good):
    made = Idle


class Silent(Classify):
    def predict(self, outputs, targets):
        return super().predict(outputs, targets)[:1]


class ForgetsClips(Good):
    made = Silent


class ScoresOtherwise(Good):
    def evaluate(self, predictions):
        return Evaluation({"accuracy": 99.0}, super().evaluate(predictions).items)


class ScoresSomethingElse(Good):
    def evaluate(self, predictions):
        return Evaluation({"recall": 50.0}, super().evaluate(predictions).items)


class LooksAtPictures(Classify):
    def forward(self, encode, inputs):
        return {"logits": super().forward(encode, inputs)["logits"] + inputs["audio"].mean(dim=(1, 2, 3, 4))[:, None]}


class HidesThatItLooks(Good):
    made = LooksAtPictures


class SaysThatItLooks(Good):
    made = type("Saying", (LooksAtPictures,), {"reads_pictures": True})


class ReadsTokens(Classify):
    def forward(self, encode, inputs):
        tokens = encode({"visual": inputs["visual"]})["visual"].tokens
        return {"logits": self.classify(tokens.sum(dim=(1, 2)) if tokens.ndim == 4 else torch.zeros(2, 16))}


class HidesThatItReadsTokens(Good):
    made = ReadsTokens


@pytest.mark.parametrize(
    ("task", "check", "words"),
    [
        (CallsTwoAlike, clips_collate, "train: two clips are called a"),
        (CountsOtherShapes, clips_collate, r"frames of two clips is \(2, 3, 3\), of example_inputs \(2, 4, 3\)"),
        (LeavesPartsIdle, head_learns, "no gradient reaches idle.weight, idle.bias"),
        (ForgetsClips, scores_follow_from_items, "1 predictions for 2 clips"),
        (ScoresOtherwise, scores_follow_from_items, "accuracy is 99.000, the mean of its items"),
        (ScoresSomethingElse, scores_follow_from_items, "gives no accuracy"),
        (HidesThatItLooks, features_stand_in_for_pictures, "'dict' object has no attribute 'mean'"),
        (HidesThatItReadsTokens, features_stand_in_for_pictures, "logits differs where features are cached"),
    ],
)
def test_the_exam_finds_an_offender(task, check, words):
    with pytest.raises(AssertionError, match=words):
        check(task())


def test_a_head_that_says_that_it_looks_passes():
    for check in CHECKS:
        check(SaysThatItLooks())


def test_classification_passes_on_files(tmp_path):
    export_sample(tmp_path / "clips", layout="manifest", clips=2, size=32)
    for check in CHECKS:
        check(look_up(TASKS, "classification")(data=str(tmp_path / "clips")))
