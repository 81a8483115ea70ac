"""CAV-MAE's lists of VGGSound: splits by rule, one line for a bad list, clips found by id."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from registry.errors import UserError
from tasks.datasets.open import open_source
from tasks.datasets.vggsound import VggSoundFolder, parse_list, parse_table
from tasks.media.encode import encode_clip
from tasks.retrieval.task import Retrieval


def entry(clip: str, label: str) -> dict[str, str]:
    elsewhere = f"/someone/else/{clip}"
    return {"video_id": clip, "wav": f"{elsewhere}.wav", "video_path": f"{elsewhere}/", "labels": label}


TRAIN = [entry(f"t{i:02d}_000000", f"vgg_{i % 2}") for i in range(40)]
TEST = [entry("-x_000010", "vgg_0"), entry("y_000300", "vgg_1"), entry("t00_000000", "vgg_0")]


def with_lists(root: Path, **lists: list[dict[str, str]]) -> Path:
    for name, rows in lists.items():
        (root / f"{name}.json").write_text(json.dumps({"data": rows}))
    return root


def test_splits(tmp_path: Path) -> None:
    """Twenty clips of each class, less the one that test has: two of each are held out, by hash."""
    folder = VggSoundFolder(with_lists(tmp_path, vgg_train=TRAIN, vgg_test_5_per_class_for_retrieval=TEST))
    clips = {split: {e.clip for e in folder.entries(split)} for split in ("train", "validation", "test")}
    assert [len(clips[split]) for split in ("train", "validation", "test")] == [35, 4, 3]
    assert (
        not clips["train"] & clips["test"] | clips["train"] & clips["validation"] | clips["validation"] & clips["test"]
    )
    assert [sum(e.label == label for e in folder.entries("validation")) for label in ("vgg_0", "vgg_1")] == [2, 2]
    assert [e.clip for e in folder.entries("test")] == ["-x_000010", "y_000300", "t00_000000"]
    assert folder.classes == ("vgg_0", "vgg_1")
    assert folder.identity().startswith("vggsound@")


def test_an_own_validation_list_and_the_retrieval_list_come_first(tmp_path: Path) -> None:
    folder = VggSoundFolder(
        with_lists(tmp_path, train=TRAIN, val=TRAIN[1:3], vgg_test=TRAIN[5:9], vgg_test_for_retrieval=TEST)
    )
    assert [e.clip for e in folder.entries("validation")] == ["t01_000000", "t02_000000"]
    assert len(folder.entries("train")) == 40 - 2 - 1
    assert len(folder.entries("test")) == 3


def test_items_collate_and_carry_their_class(tmp_path: Path) -> None:
    with_lists(tmp_path, train=TRAIN[:4], test=TEST[:2])
    (tmp_path / "videos").mkdir()
    for row in [*TRAIN[:4], *TEST[:2]]:
        encode_clip(tmp_path / "videos" / f"{row['video_id']}.mp4", np.full((20, 32, 32, 3), 90, np.uint8), 2, None)
    task = Retrieval(data=str(tmp_path))
    task.prepare()
    batch = next(iter(DataLoader(task.dataset("test"), batch_size=2)))
    assert batch["inputs"]["frames"].shape == (2, 10, 3, 224, 224)
    assert batch["inputs"]["waveform"].shape == (2, 10, 16_000)
    assert batch["targets"]["category"].tolist() == [0, 1]
    assert batch["targets"]["id"] == ["-x_000010", "y_000300"]


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"test": TEST}, "has no list for train, a .json file with the word 'train'"),
        ({"train": TRAIN}, "has no list for test, a .json file with the word 'retrieval'"),
        ({"train": TRAIN, "a_train": TRAIN, "test": TEST}, r"several lists for train: a_train\.json, train\.json"),
        ({"train": TEST, "test": TEST}, "leave no clip for train"),
        ({"train": [*TRAIN, TRAIN[0]], "test": TEST}, r"list train\.json entry 40 repeats video_id 't00_000000'"),
        ({"train": [{"video_id": 1}], "test": TEST}, r"list train\.json entry 0 has no video_id and labels"),
    ],
)
def test_lists_that_do_not_serve_are_named(tmp_path: Path, lists: dict[str, list], message: str) -> None:
    with pytest.raises(UserError, match=message):
        VggSoundFolder(with_lists(tmp_path, **lists))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.text(max_size=60)
    | st.recursive(st.none() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)).map(
        lambda value: json.dumps({"data": value})
    )
)
def test_any_text_is_a_list_or_one_line(text: str) -> None:
    message = "one line"
    try:
        parse_list(text, "name")
    except UserError as error:
        message = str(error)
    assert len(message.splitlines()) == 1


def test_an_id_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    task = Retrieval(data=str(with_lists(tmp_path, train=TRAIN, test=[entry("../../etc/x", "vgg_0")])))
    with pytest.raises(UserError, match=r"clip id '\.\./\.\./etc/x' is not a plain name"):
        task.prepare()


@pytest.mark.parametrize("name", ["ave", "vggsound"])
def test_sizes_without_files_train_nothing(name: str) -> None:
    with pytest.raises(UserError, match="without its files"):
        Retrieval(data=name).data_identity()


def with_table(root: Path, rows: str) -> Path:
    (root / "vggsound.csv").write_text(rows)
    return root


OWN = "".join(f'v{i:02d},{i},"people, marching {i % 2}",train\n' for i in range(20)) + "-x,10,a,test\ny_,300,a,test\n"


@pytest.mark.parametrize("given", ["", "vggsound.csv"])
def test_its_own_table(tmp_path: Path, given: str) -> None:
    with_table(tmp_path, OWN)
    source = open_source(str(tmp_path / given), "pairs")
    assert isinstance(source, VggSoundFolder)
    assert [e.clip for e in source.entries("test")] == ["-x_000010", "y__000300"]
    assert [len(source.entries(split)) for split in ("train", "validation")] == [18, 2]
    assert source.classes == ("a", "people, marching 0", "people, marching 1")
    assert set(source.annotation_files()) == {"vggsound.csv"}


def test_clips_of_its_own_table_may_bear_the_youtube_id_alone(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    for name in ("v00_000000", "v01"):
        (tmp_path / "videos" / f"{name}.mp4").write_bytes(b"x")
    with_table(tmp_path, "v00,0,a,train\nv01,1,a,train\nv02,2,a,train\n-x,10,a,test\n")
    folder = VggSoundFolder(tmp_path)
    named = {e.clip for split in ("train", "validation") for e in folder.entries(split)}
    assert named == {"v00_000000", "v01", "v02_000002"}


def test_the_retrieval_list_comes_before_the_table(tmp_path: Path) -> None:
    folder = VggSoundFolder(with_lists(with_table(tmp_path, OWN), vgg_test_for_retrieval=TEST))
    assert len(folder.entries("test")) == 3


@pytest.mark.parametrize("row", ["a,1,x", "a,one,x,train", "a,1,,train", "a,1,x,val", "a,1,x,train,more"])
def test_a_bad_line_of_the_table_is_named(row: str) -> None:
    with pytest.raises(UserError, match=r"vggsound\.csv line 2 is .*, expected id,seconds,label,train or test"):
        parse_table(f"b,1,x,test\n{row}\n")


def test_a_clip_that_stands_twice_in_the_table_is_named() -> None:
    with pytest.raises(UserError, match="line 3 repeats the clip 'a' at second 1"):
        parse_table("a,1,x,train\na,2,x,train\na,1,y,test\n")
