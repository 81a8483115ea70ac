"""MUSIC-AVQA's annotation files: small ones written here, and the published ones where a copy is at hand."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from registry.errors import UserError
from tasks.avqa.task import Avqa
from tasks.datasets.music_avqa import _PUBLISHED, KINDS, SUBSETS, MusicAvqaFolder, parse_questions, tokenise
from tasks.datasets.prepare import prepare
from tasks.datasets.verify import verify
from tasks.media.encode import encode_clip

COPIES = Path(os.environ.get("AVBENCH_ANNOTATIONS") or Path(__file__).parents[4] / "shared" / "annotations")
COPIES = COPIES / "music_avqa"
published = pytest.mark.skipif(
    not (COPIES / "avqa-test.json").is_file(), reason="MUSIC-AVQA's files are not here: AVBENCH_ANNOTATIONS"
)

# Numbers of questions of each kind in the published files, in the order of KINDS.
TEST_COUNTS = (1022, 601, 1199, 1228, 995, 1274, 927, 1115, 824)
VALIDATION_COUNTS = (515, 299, 600, 614, 499, 635, 462, 557, 414)


def row(
    number: int, content: str, values: list[str], answer: str, kind: str = "Audio-Visual Existential"
) -> dict[str, Any]:
    return {
        "video_id": "00000007",
        "question_id": number,
        "type": json.dumps(kind.split()),
        "question_content": content,
        "templ_values": json.dumps(values),
        "question_deleted": 0,
        "anser": answer,
    }


TRAIN = [
    row(1, "Is the <Object> in the video always playing?", ["ukulele"], "yes"),
    row(2, "How many instruments are heard in the video ?", [], "more than ten", "Audio Counting"),
    row(3, "Is the <Object> to the <LR> of the <Object>? ", ["cello", "left", "ukulele"], "no", "Visual Location"),
]
TEST = [
    row(4, "Is the <Object> always playing?", ["cello"], "no"),
    row(4, "Is the <Object> playing?", ["cello"], "yes"),
]


def write_annotations(root: Path, folder: str = "", **changed: list[dict[str, Any]]) -> Path:
    (root / folder).mkdir(parents=True, exist_ok=True)
    for name, rows in {"train": TRAIN, "val": TRAIN[1:], "test": TEST, **changed}.items():
        (root / folder / f"avqa-{name}.json").write_text(json.dumps(rows))
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_annotations(tmp_path_factory.mktemp("avqa"))
    (root / "videos").mkdir()
    encode_clip(root / "videos" / "00000007.mp4", np.full((40, 32, 32, 3), 90, np.uint8), 2, None)
    return root


@pytest.mark.parametrize(
    ("content", "values", "words"),
    [
        ("Is it loud?", [], "Is it loud"),
        ("Is it loud?  ", [], "Is it loud"),
        ("Is it loud？", [], "Is it loud"),
        ("Where is the <Object>?", ["cello"], "Where is the cello"),
        ("Is the <Object> <BA> the <Object>?", ["cello", "before", "tuba"], "Is the cello before the tuba"),
        ("What is the <TH> instrument?", ["first", "unused"], "What is the first instrument"),
    ],
)
def test_tokenising(content: str, values: list[str], words: str) -> None:
    assert tokenise(content, values) == tuple(words.split())


def test_single_blanks_part_words() -> None:
    """Two blanks enclose an empty word, as in the data set's own loader."""
    assert tokenise("Is  it?", []) == ("Is", "", "it")


def test_words_and_answers_are_numbered_as_training_shows_them(root: Path) -> None:
    folder = MusicAvqaFolder(root)
    assert folder.words[:8] == ("<pad>", "Is", "the", "ukulele", "in", "video", "always", "playing")
    assert folder.answers == ("yes", "more than ten", "no")


def test_items_collate(root: Path) -> None:
    batch = next(iter(DataLoader(MusicAvqaFolder(root, side=48).clips("test"), batch_size=2)))
    assert batch["inputs"]["frames"].shape == (2, 10, 3, 48, 48)
    assert batch["inputs"]["waveform"].shape == (2, 10, 16_000)
    assert batch["inputs"]["questions"].shape == (2, *MusicAvqaFolder.question_shape)
    assert batch["inputs"]["questions"].dtype == torch.int64
    assert batch["targets"]["answers"].tolist() == [[2], [0]]
    assert batch["targets"]["kinds"].tolist() == [[4], [4]]
    assert batch["targets"]["id"] == ["00000007:4", "00000007:4+2"]
    words = MusicAvqaFolder(root).words
    first = [words[i] for i in batch["inputs"]["questions"][0, 0].tolist()]
    assert first == ["Is", "the", "cello", "always", "playing"] + ["<pad>"] * 9


def test_files_may_lie_in_json(root: Path, tmp_path: Path) -> None:
    nested = MusicAvqaFolder(write_annotations(tmp_path, "json"))
    assert nested.identity() == MusicAvqaFolder(root).identity()
    assert nested.identity().startswith("music_avqa-v1@")


def test_versions_are_never_mixed(tmp_path: Path) -> None:
    """Each version is read from its own folder, whole, and its name is part of what was measured."""
    write_annotations(tmp_path, "json")
    write_annotations(tmp_path, "json_update", test=TEST[:1])
    first, second = (MusicAvqaFolder(tmp_path, version=version) for version in ("v1", "v1u"))
    assert [len(folder.questions("test")) for folder in (first, second)] == [2, 1]
    assert first.identity().startswith("music_avqa-v1@")
    assert second.identity().startswith("music_avqa-v1u@")
    assert Avqa(data=str(tmp_path), version="v1u").data_identity() == second.identity()
    (tmp_path / "json_update" / "avqa-test.json").unlink()
    with pytest.raises(UserError, match=r"avqa-test\.json is missing under .*json_update"):
        MusicAvqaFolder(tmp_path, version="v1u")


@pytest.mark.parametrize(("version", "sizes", "other"), [("v1", (4568, 9129), "v1u"), ("v1u", (4595, 9185), "v1")])
def test_published_files_tell_their_version(
    root: Path, monkeypatch: pytest.MonkeyPatch, version: str, sizes: tuple[int, int], other: str
) -> None:
    """By the numbers of questions in validation and test, 2 and 2 of this folder standing in for the published ones."""
    monkeypatch.setattr("tasks.datasets.music_avqa._PUBLISHED", {other: (2, 2)})
    with pytest.raises(UserError, match=rf"are version {other} of MUSIC-AVQA .*; give version='{other}'"):
        MusicAvqaFolder(root, version=version)
    monkeypatch.undo()
    assert _PUBLISHED[other] == sizes
    MusicAvqaFolder(root, version=version)


def test_subsets_are_kinds_of_videos(tmp_path: Path) -> None:
    """Ids of real videos are eight digits; the vocabulary stays that of all training questions."""
    composed = [{**row(9, "Is the <Object> loud?", ["cello"], "no"), "video_id": "sa00000001"}]
    write_annotations(tmp_path, train=TRAIN + composed, val=TRAIN[1:] + composed, test=TEST + composed)
    every, real, synthetic = (MusicAvqaFolder(tmp_path, subset=subset) for subset in ("all", "real", "synthetic"))
    assert [len(folder.questions("test")) for folder in (every, real, synthetic)] == [3, 2, 1]
    assert {q.clip for q in synthetic.questions("train")} == {"sa00000001"}
    assert every.words == real.words == synthetic.words
    assert synthetic.identity().startswith("music_avqa-v1-synthetic@")
    assert len({folder.identity() for folder in (every, real, synthetic)}) == 3
    write_annotations(tmp_path)
    with pytest.raises(UserError, match=r"avqa-train\.json .* has no question about a video of subset 'synthetic'"):
        MusicAvqaFolder(tmp_path, subset="synthetic")


def test_options_that_mean_nothing_are_refused(root: Path) -> None:
    with pytest.raises(UserError, match=r"unknown version of MUSIC-AVQA 'v2'. Did you mean"):
        MusicAvqaFolder(root, version="v2")
    with pytest.raises(UserError, match="option subset='real' means nothing for data='synthetic'"):
        Avqa(subset="real")


def test_another_answer_is_other_data(root: Path, tmp_path: Path) -> None:
    changed = MusicAvqaFolder(write_annotations(tmp_path, test=[{**TEST[0], "anser": "yes"}, TEST[1]]))
    assert changed.identity() != MusicAvqaFolder(root).identity()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"anser": "drum"}, r"avqa-test\.json question 4: answer 'drum' does not occur in avqa-train\.json"),
        ({"question_content": "Is the gong playing?"}, "question 4: word 'gong' does not occur"),
        (
            {"type": '["Audio", "Location"]'},
            r"avqa-test\.json entry 0 has type 'Audio Location'; known: Audio Counting",
        ),
        ({"type": "Audio"}, r"avqa-test\.json entry 0 cannot be read"),
        ({"templ_values": "[]"}, "entry 0 cannot be read: has 1 placeholders and 0 values"),
        ({"question_content": 5}, r"avqa-test\.json entry 0 cannot be read"),
        ({"question_content": "Is " * 15}, "entry 0 has 15 words; at most 14"),
    ],
)
def test_a_bad_question_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    write_annotations(tmp_path, test=[{**TEST[0], **change}])
    with pytest.raises(UserError, match=message) as caught:
        MusicAvqaFolder(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{}", "[]", "[1]", "[{}]", "[" * 100_000, "{"])
def test_a_file_of_another_layout_is_named(text: str) -> None:
    with pytest.raises(UserError, match="list"):
        parse_questions(text, "list")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (write_annotations(tmp_path) / "avqa-val.json").unlink()
    with pytest.raises(UserError, match=r"avqa-val\.json is missing"):
        MusicAvqaFolder(tmp_path)


def test_missing_media_stop_before_training(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"1 of 1 clips are missing .*: 00000007"):
        MusicAvqaFolder(write_annotations(tmp_path)).clips("train")


@published
@pytest.mark.parametrize(("name", "counts"), [("avqa-test.json", TEST_COUNTS), ("avqa-val.json", VALIDATION_COUNTS)])
def test_published_annotations(name: str, counts: tuple[int, ...]) -> None:
    rows = parse_questions((COPIES / name).read_text(), name)
    assert len(rows) == sum(counts)
    kinds = Counter(question.kind for question in rows)
    assert tuple(kinds[kind] for kind in KINDS) == counts
    assert max(len(question.words) for question in rows) == 14
    composed = sum(bool(SUBSETS["synthetic"].fullmatch(question.clip)) for question in rows)
    assert composed == {"avqa-test.json": 1783, "avqa-val.json": 897}[name]
    assert composed + sum(bool(SUBSETS["real"].fullmatch(question.clip)) for question in rows) == len(rows)
    assert len(rows) == dict(zip(("avqa-val.json", "avqa-test.json"), _PUBLISHED["v1"], strict=True))[name]


@published
def test_published_words_and_answers() -> None:
    """The word lists that DG-SCT ships hold every word and answer of validation and test."""
    rows = [
        q for name in ("avqa-val.json", "avqa-test.json") for q in parse_questions((COPIES / name).read_text(), name)
    ]
    known_words, known_answers = (
        set((COPIES / name).read_text().splitlines()) for name in ("ques_vocab.txt", "ans_vocab.txt")
    )
    assert (len(known_words), len(known_answers)) == (93, 42)
    assert {word for question in rows for word in question.words} <= known_words
    assert {question.answer for question in rows} <= known_answers


def test_published_sampling_is_an_option_of_the_task_and_of_its_store(root: Path, tmp_path: Path) -> None:
    """Windows of 1.95 s reach the item, the identity and the store, which refuses the other rule."""
    task = Avqa(str(root), sampling="published")
    plain = Avqa(str(root))
    item = task.dataset("test")[0]["inputs"]
    assert item["waveform"].shape == (10, 31_200) == task.example_inputs(1)["waveform"].shape[1:]
    assert plain.dataset("test")[0]["inputs"]["waveform"].shape == (10, 16_000)
    assert task.data_identity() == plain.data_identity() + "+published"
    prepare(task.source, tmp_path / "store", 32, 0)
    stored = Avqa(str(tmp_path / "store"), sampling="published")
    assert stored.data_identity() == task.data_identity() + "+32px"
    expected = MusicAvqaFolder(root, side=32, sampling="published").clips("test")[0]["inputs"]
    for name, value in stored.dataset("test")[0]["inputs"].items():
        assert torch.equal(value, expected[name])
    assert verify(stored.source, "full", 0).counts == {"silent": 1}
    with pytest.raises(UserError, match="was prepared with sampling='published', not 'middle'; set that option"):
        Avqa(str(tmp_path / "store")).prepare()


def test_sampling_means_nothing_for_the_procedural_world() -> None:
    with pytest.raises(UserError, match="option sampling='published' means nothing for data='synthetic'"):
        Avqa(sampling="published")
