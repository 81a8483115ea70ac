"""MUSIC-AVQA on disk: templated questions about videos of musical performances."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch.utils.data import Dataset

from registry.errors import DataError, UserError, unknown
from registry.vocabulary import Split
from tasks.datasets.annotations import digest, read_text, unique_names
from tasks.datasets.source import CountReport, FolderSource, keep_present
from tasks.media.library import find_data_root
from tasks.media.recording import Recording
from tasks.media.sampling import find_sampling
from tasks.questions import KINDS

PUBLISHED_WINDOW = 1.95
"""Seconds of sound that LAVISH and STG-CMA take for each segment."""
LONGEST = 14
"""W, the words of the longest question."""
PAD = "<pad>"
SPLIT_FILES: dict[Split, str] = {"train": "avqa-train.json", "validation": "avqa-val.json", "test": "avqa-test.json"}
VERSIONS = {"v1": ("json", "data/json"), "v1u": ("json_update", "data/json_update")}
"""The two releases of the annotations and the folders that hold them; papers use either, and their numbers differ."""
_PUBLISHED = {"v1": (4595, 9185), "v1u": (4568, 9129)}
"""Questions of validation and test."""
SUBSETS = {"all": re.compile(".*"), "real": re.compile(r"\d{8}"), "synthetic": re.compile(r"[a-z]+\d{8}")}
"""Which videos: ids of real ones are eight digits, those of composed ones have letters in front."""


@dataclass(frozen=True)
class Question:
    """One row of an annotation file."""

    clip: str
    number: str
    kind: str
    words: tuple[str, ...]
    answer: str


class MusicAvqaFolder(FolderSource):
    """The annotations of a MUSIC-AVQA folder, and data sets over its questions.

    The folder holds avqa-train.json, avqa-val.json and avqa-test.json (or in `json/`; the second version in
    `json_update/`), beside the media (see `MediaFolder`). Words and answers are numbered in the order of their first
    appearance in the training file, whatever the subset.

    Args:
        data: the folder, or one that has it as `music_avqa`.
        side: frames are fitted to this many pixels, squared.
        version: `v1` or `v1u`.
        subset: `all`, `real` or `synthetic`.
        sampling: `middle`, or `published`: the papers' moments, with windows of 1.95 s.
        allow_missing: leave out questions about videos that are missing, see `left_out`.

    Raises:
        UserError: an annotation file that is missing, malformed or of the other version; a word or answer that
            training does not have; a subset without questions.
    """

    version = 1
    question_shape = (1, LONGEST)

    def __init__(
        self,
        data: str | Path,
        side: int = 224,
        version: str = "v1",
        subset: str = "all",
        sampling: str = "middle",
        allow_missing: bool = False,
    ) -> None:
        if version not in VERSIONS:
            raise unknown("version of MUSIC-AVQA", str(version), VERSIONS)
        if subset not in SUBSETS:
            raise unknown("subset of MUSIC-AVQA", str(subset), SUBSETS)
        self.sampling = find_sampling(sampling, PUBLISHED_WINDOW)
        self.root = find_data_root(data, "music_avqa")
        self.side, self.release, self.subset = side, version, subset
        place = self._annotations()
        rows = {split: parse_questions(read_text(place, name, ()), name) for split, name in SPLIT_FILES.items()}
        self._check_version(len(rows["validation"]), len(rows["test"]))
        self.words = tuple(dict.fromkeys([PAD, *(word for row in rows["train"] for word in row.words)]))
        self.answers = tuple(dict.fromkeys(row.answer for row in rows["train"]))
        for split, name in SPLIT_FILES.items():
            self._check_vocabulary(rows[split], name)
        self._rows = {split: self._chosen(rows[split], name) for split, name in SPLIT_FILES.items()}
        self.official = _published(version) if subset == "all" else {}
        if allow_missing:
            missing = set(self.media.missing(row.clip for rows in self._rows.values() for row in rows))
            self._rows, self.left_out = keep_present(self._rows, lambda row: row.clip, missing)

    def questions(self, split: Split) -> list[Question]:
        """The questions of a split, in the order of its file."""
        return self._rows[split]

    def clips(self, split: Split) -> MusicAvqaClips:
        """Every question of a split, each with its clip.

        Raises:
            UserError: clips whose media are not there.
        """
        return MusicAvqaClips(self, self.questions(split))

    def prepare(self, report: CountReport | None = None) -> None:
        """Look for the media of all splits.

        Raises:
            DataError: clips whose media are not there.
        """
        self.media.require(row.clip for rows in self._rows.values() for row in rows)

    def recordings(self) -> dict[Split, list[Recording]]:
        return {split: [self.media.find(row.clip) for row in rows] for split, rows in self._rows.items()}

    def annotation_files(self) -> dict[str, Path]:
        folders = ["", *(folder for folders in VERSIONS.values() for folder in folders)]
        places = [PurePosixPath(folder, name) for folder in folders for name in SPLIT_FILES.values()]
        return {str(place): self.root / place for place in places if (self.root / place).is_file()}

    def identity(self) -> str:
        """`music_avqa-v1@<hash of what the annotations say>`, with the subset behind the version where it is one."""
        subset = "" if self.subset == "all" else f"-{self.subset}"
        how = f"{self.sampling.suffix}{self.partial}{self.media.suffix}"
        return f"music_avqa-{self.release}{subset}@{digest(self._rows.items())}{how}"

    def _annotations(self) -> Path:
        """The version's own folder, else the root; all three files come from one place."""
        folders = [self.root / name for name in VERSIONS[self.release]]
        return next((folder for folder in folders if (folder / SPLIT_FILES["train"]).is_file()), self.root)

    def _check_version(self, validation: int, test: int) -> None:
        """Published files say by their sizes which version they are, wherever they lie."""
        for version, sizes in _PUBLISHED.items():
            if version != self.release and sizes == (validation, test):
                raise UserError(
                    f"the annotation files under {self.root} are version {version} of MUSIC-AVQA ({validation} and "
                    f"{test} questions in validation and test); give version='{version}'."
                )

    def _chosen(self, rows: list[Question], name: str) -> list[Question]:
        chosen = [row for row in rows if SUBSETS[self.subset].fullmatch(row.clip)]
        if not chosen:
            raise DataError(f"{name} of {self.root} has no question about a video of subset {self.subset!r}.")
        return chosen

    def _check_vocabulary(self, rows: list[Question], name: str) -> None:
        words, answers = set(self.words), set(self.answers)
        for row in rows:
            strange = [f"word {word!r}" for word in row.words if word not in words]
            strange += [f"answer {row.answer!r}"] if row.answer not in answers else []
            if strange:
                raise DataError(f"{name} question {row.number}: {strange[0]} does not occur in {SPLIT_FILES['train']}.")


class MusicAvqaClips(Dataset[dict[str, dict[str, Any]]]):
    """Questions with their clips, decoded on demand.

    Inputs: `frames` (10, 3, side, side) uint8, `waveform` (10, samples) float32, `questions` (1, 14) int64. Targets:
    `answers` (1,) and `kinds` (1,) int64; `id` str, the clip and the question's number, unique in the split.
    """

    def __init__(self, folder: MusicAvqaFolder, rows: list[Question]) -> None:
        self.folder, self.rows = folder, rows
        self.ids = unique_names(f"{row.clip}:{row.number}" for row in rows)
        self.clip_names = [row.clip for row in rows]
        self._word = {word: i for i, word in enumerate(folder.words)}
        folder.media.require(row.clip for row in rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, dict[str, Any]]:
        row, folder = self.rows[index], self.folder
        clip = folder.media.read(row.clip, folder.segments, size=folder.side, sampling=folder.sampling)
        words = torch.zeros(1, LONGEST, dtype=torch.int64)
        words[0, : len(row.words)] = torch.tensor([self._word[word] for word in row.words])
        answer, kind = folder.answers.index(row.answer), KINDS.index(row.kind)
        targets = {"answers": torch.tensor([answer]), "kinds": torch.tensor([kind]), "id": self.ids[index]}
        return {"inputs": {**clip.inputs(), "questions": words}, "targets": targets}


def _published(version: str) -> dict[Split, int]:
    validation, test = _PUBLISHED[version]
    return {"validation": validation, "test": test}


def parse_questions(text: str, name: str) -> list[Question]:
    """Read an annotation file.

    Raises:
        UserError: not a JSON list of questions, naming file and question.
    """
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"annotation file {name} is not JSON: {error}.") from None
    if not isinstance(rows, list) or not rows:
        raise DataError(f"annotation file {name} is not a list of questions.")
    return [_parse(row, f"{name} entry {i}") for i, row in enumerate(rows)]


def tokenise(content: str, values: list[str]) -> tuple[str, ...]:
    """Words of a question, with its placeholders filled from left to right.

    The data set's own rule: single blanks part words, the last character (a question mark) goes, and any word with `<`
    is a placeholder.

    Raises:
        ValueError: more placeholders than values.
    """
    words = content.rstrip().split(" ")
    words[-1] = words[-1][:-1]
    placeholders = [i for i, word in enumerate(words) if "<" in word]
    if len(placeholders) > len(values):
        raise ValueError(f"has {len(placeholders)} placeholders and {len(values)} values")
    for i, value in zip(placeholders, values, strict=False):
        words[i] = value
    return tuple(words)


def _parse(row: Any, where: str) -> Question:
    try:
        # `type` and `templ_values` are text that holds JSON; the answer's key is spelt so in every release.
        kind = " ".join(json.loads(row["type"]))
        words = tokenise(row["question_content"], [str(value) for value in json.loads(row["templ_values"])])
        question = Question(str(row["video_id"]), str(row["question_id"]), kind, words, str(row["anser"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"has no {error}" if isinstance(error, KeyError) else f"cannot be read: {error}"
        raise DataError(f"{where} {what}; expected a question in the layout of MUSIC-AVQA.") from None
    if kind not in KINDS:
        raise DataError(f"{where} has type {kind!r}; known: {', '.join(KINDS)}.")
    if len(words) > LONGEST:
        raise DataError(f"{where} has {len(words)} words; at most {LONGEST} are taken.")
    return question
