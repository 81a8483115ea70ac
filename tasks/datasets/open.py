"""Every data set by what it is asked for: a task says what it needs, and stays ignorant of formats.

A new data set is a `ClipSource` and an entry of `DATASETS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from registry.errors import UserError
from registry.files import user_path
from tasks.datasets.annotations import VGGSOUND_TABLE, find_manifest
from tasks.datasets.source import ClipSource, Outline
from tasks.datasets.synthetic import (
    SyntheticEventSource,
    SyntheticMaskSource,
    SyntheticModalitySource,
    SyntheticPairSource,
    SyntheticQuestionSource,
)

Need = Literal["events", "events_by_modality", "events_of_one_kind", "labels", "masks", "pairs", "questions"]
"""What a task asks clips for, with the `targets` of an item beside its `id`:

- `events`: `labels` (T,) int64, the class of each segment, and `category` int, the class of the clip;
- `events_by_modality`: `labels` (C,) float32, 1 for the classes of the clip, and, beyond training, `audio` and `visual`
  (C, T) uint8, 1 where an event is heard and where one is seen;
- `events_of_one_kind`: as `events`, and no clip has events of several classes;
- `labels`: `category`;
- `masks`: `masks` (T, M, M) uint8, 1 where what is heard is seen, `annotated` (T,) bool, the segments that have one,
  and `category` where clips have a class;
- `pairs`: sound and sight of a clip; no clip twice, none in two splits; `category` where clips have a class;
- `questions`: `answers` and `kinds` (Q,) int64, and the input `questions` (Q, W) int64.
"""

Reader = Callable[..., ClipSource] | str
"""What opens a data set: a class, or its place as `module:name` where it brings the decoder along, which takes long."""


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a data set before it is opened."""

    name: str
    readers: Mapping[Need, Reader]
    """By what they answer. They take the folder or file, if the data set has one, and `options`."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options that mean something for its files, with their defaults."""
    published: Mapping[Need, Mapping[str, Any]] = field(default_factory=dict)
    """Published sizes, arguments of `Outline`, by what is asked: for `data=name` without files."""
    is_at: Callable[[Path], bool] | None = None
    """Whether a place is this data set; None where it has no files."""

    def open(self, need: Need, *place: str, **options: Any) -> ClipSource:
        """What answers a need.

        Raises:
            UserError: files that are missing or malformed, or an option's value that is none.
        """
        reader = self.readers[need]
        if isinstance(reader, str):
            module, _, name = reader.partition(":")
            reader = getattr(import_module(module), name)
        source: ClipSource = reader(*place, **options)
        return source


def open_source(data: str | ClipSource, need: Need, **options: Any) -> ClipSource:
    """The clips behind a task's option `data`; a source is what it is, whatever the options.

    A name (`synthetic`, or that of a published data set, which then is known by its sizes alone) comes before a folder
    of that name. Folders and files are what the first data set that can answer takes them for, else the last such.

    Args:
        options: as the user gave them, or the default where not.

    Raises:
        UserError: files that are missing or malformed, or an option that means nothing for this data.
    """
    if isinstance(data, ClipSource):
        return data
    able = [dataset for dataset in DATASETS if need in dataset.readers]
    named = next((dataset for dataset in able if dataset.name == data), None)
    if named and need in named.published:
        _refuse_strange(data, options, {})
        return Outline(named.name, **named.published[need])
    if named and named.is_at is None:
        _refuse_strange(data, options, {})
        return named.open(need)
    place = user_path(data)
    found = next((dataset for dataset in able if dataset.is_at and dataset.is_at(place)), able[-1])
    _refuse_strange(data, options, found.options)
    return found.open(need, data, **{name: value for name, value in options.items() if name in found.options})


def _refuse_strange(data: str, options: Mapping[str, Any], meant: Mapping[str, Any]) -> None:
    """An option that is ignored would give one cell two names."""
    for name, value in options.items():
        if name not in meant and value != DEFAULTS[name]:
            raise UserError(f"option {name}={value!r} means nothing for data={data!r}; leave it out.")


def _holds(name: str, *files: str) -> Callable[[Path], bool]:
    """Whether one of these files lies in a folder, or in one that it has under the data set's name."""
    return lambda place: any((folder / file).is_file() for folder in (place, place / name) for file in files)


def _has_lists(place: Path) -> bool:
    """Whether CAV-MAE's lists or VGGSound's own table lie there; of several data sets in one folder, AVE is taken."""
    folders = [place] if (place / "ave").is_dir() else [place, place / "vggsound"]
    return place.name == VGGSOUND_TABLE or any(
        "train" in path.name or path.name == VGGSOUND_TABLE
        for folder in folders
        for kind in ("*.json", VGGSOUND_TABLE)
        for path in folder.glob(kind)
    )


DATASETS = (
    DatasetInfo(
        "synthetic",
        readers={
            "events": SyntheticEventSource,
            "events_by_modality": SyntheticModalitySource,
            "events_of_one_kind": SyntheticEventSource,
            "labels": SyntheticEventSource,
            "masks": SyntheticMaskSource,
            "pairs": SyntheticPairSource,
            "questions": SyntheticQuestionSource,
        },
    ),
    DatasetInfo(
        "manifest",
        readers={
            "events": "tasks.datasets.manifest_events:ManifestEvents",
            "events_by_modality": "tasks.datasets.by_modality.manifest:ManifestByModality",
            "events_of_one_kind": "tasks.datasets.manifest_events:ManifestEventsOfOneKind",
            "labels": "tasks.datasets.manifest_clips:LabelledManifestClips",
            "masks": "tasks.datasets.manifest_masks:ManifestMasks",
            "pairs": "tasks.datasets.manifest_clips:ManifestClips",
        },
        options={"segments": None, "allow_missing": False},
        is_at=lambda place: find_manifest(place) is not None,
    ),
    DatasetInfo(
        "vggsound",
        readers={"pairs": "tasks.datasets.vggsound:VggSoundFolder"},
        options={"allow_missing": False},
        published={"pairs": {}},
        is_at=_has_lists,
    ),
    DatasetInfo(
        "ave",
        readers={
            "events": "tasks.datasets.ave:AveFolder",
            "events_of_one_kind": "tasks.datasets.ave:AveFolder",
            "pairs": "tasks.datasets.ave:AvePairs",
        },
        options={"split": "official", "sampling": "middle", "background": False, "allow_missing": False},
        published={"events": {"classes": 28}, "events_of_one_kind": {"classes": 28}, "pairs": {}},
        is_at=_holds("ave", "Annotations.txt", "data/Annotations.txt"),
    ),
    DatasetInfo(
        "llp",
        readers={"events_by_modality": "tasks.datasets.by_modality.llp:LlpFolder"},
        options={"allow_missing": False},
        published={"events_by_modality": {"classes": 25}},
        is_at=_holds("llp", "AVVP_train.csv", "data/AVVP_train.csv"),
    ),
    *(
        DatasetInfo(
            name,
            readers={"masks": "tasks.datasets.avsbench:AvsBenchFolder"},
            options={"sampling": "middle", "allow_missing": False},
            published={"masks": {"classes": classes, "segments": 5}},
            is_at=_holds("avsbench", *(f"{folder}{table}" for folder in ("", inner))),
        )
        for name, classes, table, inner in (
            ("avsbench_s4", 23, "s4_meta_data.csv", "Single-source/"),
            ("avsbench_ms3", 0, "ms3_meta_data.csv", "Multi-sources/"),
        )
    ),
    DatasetInfo(
        "music_avqa",
        readers={"questions": "tasks.datasets.music_avqa:MusicAvqaFolder"},
        options={"version": "v1", "subset": "all", "sampling": "middle", "allow_missing": False},
        published={"questions": {"answers": 42, "words": 93, "question_shape": (1, 14)}},
        is_at=_holds(
            "music_avqa",
            *(
                f"{folder}avqa-train.json"
                for folder in ("", "json/", "data/json/", "json_update/", "data/json_update/")
            ),
        ),
    ),
)
DEFAULTS = {name: default for dataset in DATASETS for name, default in dataset.options.items()}
"""Of every option; an option means the same for every data set that takes it."""
