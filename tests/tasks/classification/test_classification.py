"""Clip classification: scores against scikit-learn, and a manifest's clips as items."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, average_precision_score
from torch.utils.data import DataLoader

from registry.errors import UserError
from registry.vocabulary import Features
from tasks.classification.head import ClipClassifier
from tasks.classification.task import Classification
from tasks.media.encode import encode_clip


def predictions(probabilities, categories):
    rows = zip(probabilities, categories, strict=True)
    return [{"id": str(i), "probabilities": p, "category": int(c)} for i, (p, c) in enumerate(rows)]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000))
def test_scores_agree_with_scikit_learn(seed):
    task, rng = Classification(), np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(len(task.classes)), 20).round(1)
    categories = rng.integers(0, len(task.classes), 20)
    scores = task.evaluate(predictions(probabilities, categories)).scores
    assert scores["accuracy"] == pytest.approx(100 * accuracy_score(categories, probabilities.argmax(1)))
    present = np.unique(categories)
    expected = average_precision_score(np.equal.outer(categories, present), probabilities[:, present], average="macro")
    assert scores["mean_average_precision"] == pytest.approx(100 * expected)


def test_scores_by_hand():
    """Two of three right; class 0 is ranked 1 and 3 of 3, class 1 first."""
    evaluation = Classification().evaluate(predictions(np.array([[0.9, 0.1], [0.6, 0.4], [0.4, 0.2]]), [0, 1, 0]))
    assert evaluation.scores["accuracy"] == pytest.approx(200 / 3)
    assert evaluation.scores["mean_average_precision"] == pytest.approx(100 * ((1 + 2 / 3) / 2 + 1) / 2)
    assert [(item.score, item.kind) for item in evaluation.items] == [(1.0, "disc"), (0.0, "ring"), (1.0, "disc")]


def test_head_by_hand():
    torch.manual_seed(0)
    head = ClipClassifier(4, classes=3, modalities=("audio",))
    x = torch.randn(2, 5, 4)
    logits = head(lambda streams: {m: Features(None, s) for m, s in streams.items()}, {"audio": x})["logits"]
    expected = torch.nn.functional.layer_norm(x, (4,)).mean(1) @ head.classify.weight.T + head.classify.bias
    assert torch.allclose(logits, expected, atol=1e-6)


def test_a_manifest_becomes_items(tmp_path: Path):
    encode_clip(tmp_path / "x.mp4", np.full((40, 32, 32, 3), 90, np.uint8), 4, None)
    rows = ["a,x.mp4,0,4,train,dog", "b,x.mp4,4,8,train,cat", "c,x.mp4,0,4,val,dog", "d,x.mp4,0,4,test,cat"]
    (tmp_path / "manifest.csv").write_text("\n".join(["id,path,start,end,split,label", *rows]))
    task = Classification(data=str(tmp_path), segments=3)
    task.prepare()
    batch = next(iter(DataLoader(task.dataset("train"), batch_size=2)))
    assert batch["inputs"]["frames"].shape == (2, 3, 3, 224, 224)
    assert batch["inputs"]["waveform"].shape == (2, 3, 16_000)
    assert (batch["targets"]["id"], batch["targets"]["category"].tolist()) == (["a", "b"], [1, 0])
    assert task.classes == ("cat", "dog")
    assert task.data_identity().startswith("manifest@")


def test_a_folder_that_does_not_exist_is_called_so(tmp_path: Path):
    with pytest.raises(UserError, match=r"there is no folder .*/nowhere; give a folder with manifest\.csv"):
        Classification(data=str(tmp_path / "nowhere"))


def test_what_is_no_labelled_manifest_is_named(tmp_path: Path):
    with pytest.raises(UserError, match=r"is no manifest: give a \.csv file"):
        Classification(data=str(tmp_path))
    (tmp_path / "m.csv").write_text("id,path,start,end,split\na,x.mp4,0,4,train\n")
    with pytest.raises(UserError, match="line 2 has no label"):
        Classification(data=str(tmp_path / "m.csv"))
