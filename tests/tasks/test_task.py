"""What tasks, heads and evaluations share: the size of frames, rates, items."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from registry.errors import UserError
from registry.vocabulary import Features, ItemScore, Modality, Streams
from tasks.avqa.head import READING_RATE, QuestionReadout
from tasks.avqa.task import Avqa
from tasks.classification.head import ClipClassifier
from tasks.classification.task import Classification
from tasks.datasets.prepare import prepare
from tasks.datasets.source import Outline
from tasks.event_localisation.head import SegmentClassifier
from tasks.event_localisation.task import EventLocalisation
from tasks.event_localisation.weak import WeakSupervision
from tasks.retrieval.head import SharedSpace
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


def test_an_item_is_a_tuple_of_name_score_kind_and_group() -> None:
    assert Evaluation({}, [ItemScore("clip", 0.5)]).items == [("clip", 0.5, "", "")]


@pytest.mark.parametrize("kind", [*TASKS, Avqa])
def test_a_task_is_built_of_what_is_known_of_its_data(kind: Callable[..., SourceTask]) -> None:
    known = Outline("ave@1", classes=["dog", "bell"], answers=["yes"], words=["<pad>", "how"], segments=7, seconds=7.0)
    task = kind(known)
    assert (task.segments, task.source) == (7, known)
    assert (
        task.labels
        == {
            EventLocalisation: ("dog", "bell", "background"),
            Retrieval: ("match",),
            Classification: ("dog", "bell"),
            Avqa: ("yes",),
        }[kind]
    )  # type: ignore[index]
    assert not task.is_synthetic
    with pytest.raises(UserError, match="names the data set without its files"):
        task.dataset("test")


def test_rows_of_probabilities_are_segments_questions_or_the_clip() -> None:
    logits = torch.randn(2, 5, 3)
    for head in (SegmentClassifier(8, 3), WeakSupervision(SegmentClassifier(8, 3)), QuestionReadout(8, 5, 20, 3)):
        assert torch.equal(head.probabilities({"logits": logits}), logits.softmax(-1))
    assert ClipClassifier(8, 3).probabilities({"logits": logits[:, 0]}).shape == (2, 1, 3)


def test_one_side_is_embedded_by_segment_and_joined_by_the_head() -> None:
    picture = torch.randn(2, 5, 3, 4, 4)

    def encode(streams: Streams) -> dict[Modality, Features]:
        assert list(streams) == ["audio"]
        return {"audio": Features(torch.zeros(0), streams["audio"].mean((-3, -2, -1))[..., None].expand(2, 5, 8))}

    plain, shared = SegmentClassifier(8, 3), SharedSpace(8, width=6)
    assert plain.join_segments(plain.embed(encode, picture, "audio")).shape == (2, 8)
    segments = shared.embed(encode, picture, "audio")
    assert torch.allclose(segments.norm(dim=-1), torch.ones(2, 5), atol=1e-5)
    joined = shared.join_segments(segments)
    assert joined.shape == (2, 30)
    other = torch.nn.functional.normalize(torch.randn(2, 30), dim=-1)
    similarity = shared.probabilities({"visual": other, "audio": joined})
    assert torch.allclose(similarity[:, 0, 0], (other * joined).sum(-1), atol=1e-6)


def test_sources_tell_how_long_their_clips_are(ave: Path, tmp_path: Path) -> None:
    assert EventLocalisation().source.seconds == 6.0
    assert EventLocalisation(str(ave)).source.seconds == 10.0
    own = manifest(tmp_path / "own", ave)
    assert [kind(str(own)).source.seconds for kind in TASKS] == [10.0] * 3  # type: ignore[union-attr]
    rows = (own / "manifest.csv").read_text().replace(",0,10,", ",2,8,")
    (own / "manifest.csv").write_text(rows)
    assert Retrieval(str(own)).source.seconds == 6.0
    (own / "manifest.csv").write_text(rows.replace(",2,8,test", ",2,,test"))
    assert Retrieval(str(own)).source.seconds is None
