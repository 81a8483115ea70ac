"""What tasks, heads and evaluations share: the size of frames, rates, items."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from registry.errors import UserError
from registry.vocabulary import ItemScore
from tasks.avqa.head import READING_RATE, QuestionReadout
from tasks.avqa.task import Avqa
from tasks.classification.task import Classification
from tasks.datasets.prepare import prepare
from tasks.event_localisation.head import SegmentClassifier
from tasks.event_localisation.task import EventLocalisation
from tasks.event_localisation.weak import WeakSupervision
from tasks.retrieval.task import Retrieval
from tasks.task import Evaluation, SourceTask


def manifest(folder: Path, ave: Path) -> Path:
    folder.mkdir()
    rows = ["id,path,start,end,split,label"]
    for number, split in enumerate(("train", "train", "val", "test")):
        shutil.copy(ave / "videos" / f"c{number}.mp4", folder)
        rows.append(f"{number},c{number}.mp4,0,10,{split},dog")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return folder


def side(task: SourceTask) -> tuple[int, ...]:
    return tuple(task.dataset("train")[0]["inputs"]["frames"].shape[-2:])


TASKS: list[Callable[..., SourceTask]] = [EventLocalisation, Retrieval, Classification]


@pytest.mark.parametrize("kind", TASKS)
@pytest.mark.parametrize("layout", ["ave", "manifest"])
def test_frames_are_fitted_to_what_a_backbone_sees(
    ave: Path, tmp_path: Path, kind: Callable[..., SourceTask], layout: str
) -> None:
    if kind is Classification and layout == "ave":
        layout = "manifest"
    data = ave if layout == "ave" else manifest(tmp_path / "own", ave)
    task = kind(str(data))
    assert side(task) == (224, 224)
    for size in (48, 336):
        assert side(task.with_frames(size)) == (size, size)
        assert not task.resizes(size)
    assert side(task) == (224, 224)
    assert task.with_frames(48).data_identity() == task.data_identity()


@pytest.mark.parametrize("kind", TASKS)
@pytest.mark.parametrize("layout", ["ave", "manifest"])
def test_a_store_keeps_its_size_and_says_so(
    ave: Path, tmp_path: Path, kind: Callable[..., SourceTask], layout: str
) -> None:
    if kind is Classification and layout == "ave":
        layout = "manifest"
    data = ave if layout == "ave" else manifest(tmp_path / "own", ave)
    store = tmp_path / "store"
    prepare(kind(str(data)).source, store, 48, 0)  # type: ignore[arg-type]
    task = kind(str(store))
    assert side(task.with_frames(48)) == side(task) == (48, 48)
    with pytest.raises(
        UserError, match=r"frames of 48 pixels and the backbone sees 32; prepare another with --size 32"
    ):
        task.with_frames(32)
    asked = kind(str(store), resize=True)
    assert side(asked.with_frames(32)) == (48, 48)
    assert (asked.resizes(32), asked.resizes(48)) == (True, False)


@pytest.mark.parametrize("kind", [*TASKS, Avqa])
def test_the_embedded_world_has_one_size(kind: Callable[..., SourceTask]) -> None:
    task = kind("synthetic")
    assert not task.resizes(224)
    assert task.with_frames(224).data_identity() == task.data_identity()
    with pytest.raises(UserError, match="resize=True is for prepared stores, which data='synthetic' is not"):
        kind("synthetic", resize=True)


def test_a_head_scales_the_rate_of_some_parameters() -> None:
    head = QuestionReadout(8, 6, 20, 9)
    assert head.lr_scale() == dict.fromkeys(head.question.parameters(), READING_RATE)
    assert SegmentClassifier(8, 3).lr_scale() == {}


def test_weak_supervision_scales_what_its_head_does() -> None:
    class Halved(SegmentClassifier):
        def lr_scale(self) -> dict[nn.Parameter, float]:
            return dict.fromkeys(self.classify.parameters(), 0.5)

    inner = Halved(8, 3)
    assert WeakSupervision(inner).lr_scale() == inner.lr_scale()


def test_an_item_is_a_tuple_of_name_score_and_kind() -> None:
    assert Evaluation({}, [ItemScore("clip", 0.5)]).items == [("clip", 0.5, "")]
