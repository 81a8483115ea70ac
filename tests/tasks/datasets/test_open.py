"""Each data set says what it answers, which options it takes and how its folder is known; tasks only ask."""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from registry import TASKS, look_up, names
from registry.component import option_defaults
from registry.errors import UserError
from tasks.avqa.task import Avqa
from tasks.datasets.open import DATASETS, DEFAULTS, DatasetInfo, Need, open_source
from tasks.datasets.source import ClipSource, Outline
from tasks.datasets.synthetic import SyntheticSource
from tasks.event_localisation.task import EventLocalisation

ROOT = Path(__file__).parents[3]
EVERY_READER = [(info, need) for info in DATASETS for need in info.readers]
BEHIND_OPTIONS = {
    "segments": 5,
    "split": "dedup",
    "sampling": "published",
    "background": True,
    "allow_missing": True,
    "version": "v1u",
    "subset": "real",
}
QUESTION = {
    "video_id": "00000001",
    "question_id": 1,
    "type": '["Visual", "Counting"]',
    "question_content": "How many drums?",
    "templ_values": "[]",
    "anser": "two",
}
LIST = {name: {"data": [{"video_id": f"c{i}", "labels": "dog"}]} for i, name in enumerate(("train", "val", "test"))}


def reader_of(info: DatasetInfo, need: Need) -> Callable[..., ClipSource]:
    reader = info.readers[need]
    if isinstance(reader, str):
        module, _, name = reader.partition(":")
        return getattr(__import__(module, fromlist=[name]), name)
    return reader


@pytest.mark.parametrize(("info", "need"), EVERY_READER, ids=lambda value: getattr(value, "name", value))
def test_every_reader_takes_the_declared_options_and_declares_its_version(info: DatasetInfo, need: Need) -> None:
    reader = reader_of(info, need)
    assert issubclass(reader, ClipSource)
    assert isinstance(reader.version, int)
    taken = inspect.signature(reader).parameters
    assert {name: taken[name].default for name in info.options} == info.options
    assert ("data" in taken) == (info.is_at is not None)


def test_an_option_has_one_default_everywhere() -> None:
    for info in DATASETS:
        assert all(DEFAULTS[name] == default for name, default in info.options.items())
    for task in names(TASKS):
        offered = option_defaults(look_up(TASKS, task))
        if "data" in offered:
            assert all(DEFAULTS[name] == offered[name] for name in offered.keys() & DEFAULTS.keys())


def test_every_need_is_answered_by_the_embedded_world() -> None:
    for need in get_args(Need):
        assert isinstance(open_source("synthetic", need), SyntheticSource)


@pytest.mark.parametrize("option", BEHIND_OPTIONS)
@pytest.mark.parametrize("data", ["synthetic", "ave", "vggsound", "music_avqa"])
def test_whatever_option_means_nothing_is_refused(data: str, option: str) -> None:
    need = next(need for info in DATASETS if info.name == data for need in info.readers)
    with pytest.raises(UserError, match=f"option {option}=.* means nothing for data='{data}'; leave it out"):
        open_source(data, need, **{option: BEHIND_OPTIONS[option]})
    assert open_source(data, need, **{option: DEFAULTS[option]})


@pytest.mark.parametrize(
    ("data", "need", "sizes"),
    [
        ("ave", "events", (28, 0, 0, (0, 0))),
        ("ave", "pairs", (0, 0, 0, (0, 0))),
        ("vggsound", "pairs", (0, 0, 0, (0, 0))),
        ("music_avqa", "questions", (0, 42, 93, (1, 14))),
        ("llp", "events_by_modality", (25, 0, 0, (0, 0))),
        ("avsbench_s4", "masks", (23, 0, 0, (0, 0))),
        ("avsbench_ms3", "masks", (0, 0, 0, (0, 0))),
    ],
)
def test_a_published_data_set_is_known_by_its_sizes(data: str, need: Need, sizes: tuple) -> None:
    source = open_source(data, need)
    assert isinstance(source, Outline)
    assert (len(source.classes), len(source.answers), len(source.words), source.question_shape) == sizes
    with pytest.raises(UserError, match=rf"give its folder, as in data=\./{data}"):
        source.identity()


def write_ave(root: Path) -> None:
    for name in ("Annotations", "trainSet", "valSet", "testSet"):
        (root / f"{name}.txt").write_text(f"dog&{name}&good&0&9\n")


def write_lists(root: Path) -> None:
    for name, content in LIST.items():
        (root / f"vgg_{name}.json").write_text(json.dumps(content))


def write_questions(root: Path) -> None:
    for name in ("train", "val", "test"):
        (root / f"avqa-{name}.json").write_text(json.dumps([QUESTION]))


def write_manifest(root: Path) -> None:
    rows = [f"{split},x.mp4,{i},{i + 1},{split},dog,masks,both" for i, split in enumerate(("train", "val", "test"))]
    (root / "manifest.csv").write_text("\n".join(["id,path,start,end,split,label,masks,modality", *rows]))


def write_llp(root: Path) -> None:
    for name in ("train", "val_pd", "test_pd"):
        (root / f"AVVP_{name}.csv").write_text(f"filename\tevent_labels\n{name}_0123456_0_10\tDog\n")
    for name in ("audio", "visual"):
        (root / f"AVVP_eval_{name}.csv").write_text("filename\tonset\toffset\tevent_labels\n")


def write_single_sources(root: Path) -> None:
    rows = [f"c{i},0,dog,{split}" for i, split in enumerate(("train", "val", "test"))]
    (root / "s4_meta_data.csv").write_text("\n".join(["name,start,category,split", *rows]))


def write_several_sources(root: Path) -> None:
    rows = [f"c{i},{split}" for i, split in enumerate(("train", "val", "test"))]
    (root / "ms3_meta_data.csv").write_text("\n".join(["name,split", *rows]))


IDENTITIES: list[tuple[str, Need, str]] = [
    ("ave", "events", "ave@18ca14ea"),
    ("ave", "pairs", "ave@18ca14ea"),
    ("vggsound", "pairs", "vggsound@13e48856"),
    ("music_avqa", "questions", "music_avqa-v1@8305e540"),
    ("llp", "events_by_modality", "llp@a7816ff2"),
    ("manifest", "events", "manifest@9dfc84bf"),
    ("manifest", "events_by_modality", "manifest@0f99a3b0"),
    ("manifest", "labels", "manifest@0ff057e7"),
]
WRITERS = {
    "ave": write_ave,
    "avsbench_ms3": write_several_sources,
    "avsbench_s4": write_single_sources,
    "llp": write_llp,
    "manifest": write_manifest,
    "music_avqa": write_questions,
    "vggsound": write_lists,
}


@pytest.mark.parametrize(
    ("info", "need"),
    [(info, need) for info, need in EVERY_READER if info.is_at],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_folder_is_known_by_what_lies_in_it(info: DatasetInfo, need: Need, tmp_path: Path) -> None:
    (tmp_path / "x.mp4").touch()
    WRITERS[info.name](tmp_path)
    assert info.is_at
    assert info.is_at(tmp_path)
    able = [other for other in DATASETS if need in other.readers]
    assert [other.name for other in able if other.is_at and other.is_at(tmp_path)] == [info.name]
    assert isinstance(open_source(str(tmp_path), need), reader_of(info, need))


@pytest.mark.parametrize("name", WRITERS)
def test_the_place_of_a_folder_is_no_part_of_its_identity(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    WRITERS[name](tmp_path / "here")
    shutil.copytree(tmp_path / "here", tmp_path / "copy")
    (tmp_path / "link").symlink_to(tmp_path / "here")
    monkeypatch.chdir(tmp_path)
    need = next(need for info in DATASETS if info.name == name for need in info.readers)
    identities = {
        open_source(data, need).identity() for data in ("here", "./here/", "link", "copy", str(tmp_path / "here"))
    }
    assert len(identities) == 1
    said, _, digest = identities.pop().partition("@")
    assert said.startswith(name)
    assert len(digest) == 8


@pytest.mark.parametrize(("name", "need", "identity"), IDENTITIES)
def test_the_same_annotations_keep_their_identity(name: str, need: Need, identity: str, tmp_path: Path) -> None:
    """Whatever becomes of the code: numbers on them stay comparable, and are not measured again."""
    WRITERS[name](tmp_path)
    assert open_source(str(tmp_path), need).identity() == identity


def test_data_sets_know_of_no_task() -> None:
    folders = {path.parent.name for path in ROOT.glob("tasks/*/task.py")}
    assert len(folders) == 6
    for path in [*ROOT.glob("tasks/datasets/*.py"), *ROOT.glob("tasks/synthetic/*.py"), ROOT / "tasks/record_file.py"]:
        assert not [folder for folder in folders if f"tasks.{folder}" in path.read_text()], path


def test_tasks_ask_for_what_they_need() -> None:
    assert EventLocalisation(data="ave").classes[-1] == "background"
    task = Avqa(data="music_avqa")
    assert (len(task.answers), len(task.words)) == (42, 93)
