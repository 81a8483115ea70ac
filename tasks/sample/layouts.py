"""Annotations of synthetic clips, in the layout of every data set that the project reads."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import h5py
import numpy as np

from registry.vocabulary import SPLITS, Split
from tasks.datasets import ave, avsbench, music_avqa
from tasks.datasets.annotations import MANIFEST
from tasks.media.files import write_text
from tasks.sample import by_modality, masks
from tasks.synthetic.questions import Question, ask
from tasks.synthetic.scene import CLASSES, Kind, Scene

Media = Literal["videos", "frames"]
"""`videos/<id>.mp4`, or `video_frames/<id>/0001.jpg…` with `raw_audio/<id>.wav`."""

_AVE_HEADER = "Category&VideoID&Quality&StartTime&EndTime"
_LISTS: dict[Split, str] = {
    "train": "vgg_train.json",
    "validation": "vgg_val.json",
    "test": "vgg_test_5_per_class_for_retrieval.json",
}


@dataclass(frozen=True)
class SampleClip:
    """A clip of a sample."""

    name: str
    split: Split
    scene: Scene


@dataclass(frozen=True)
class Layout:
    """How a data set lies on disk."""

    kind: Kind
    """Of its scenes."""
    media: Media
    task: str
    """A task that reads it, as it is written on the command line."""
    annotate: Callable[[Path, Sequence[SampleClip]], None]
    """Writes the annotation files of clips into a folder."""
    known_labels: bool = False
    """Whether other splits may only have labels that training has: labels are learned from the table alone."""
    seconds: int = 10
    """Length of a clip."""
    write: Callable[[Path, SampleClip], None] | None = None
    """Writes one clip into a folder, where a data set has its pictures in a way of its own; `media` is unused then."""
    sounds_at_once: bool = False
    """Whether the event of a clip begins with it: training may know its first frame alone."""
    labels: Callable[[Scene], list[int]] = lambda scene: [scene.event.category]
    """The classes that annotations of a scene name."""

    def takes(self, scene: Scene) -> bool:
        """Whether a scene can be a clip of this data set."""
        return not self.sounds_at_once or scene.event.start == 0


def write_ave(root: Path, clips: Sequence[SampleClip], header: bool = False) -> None:
    """Annotations.txt and a file for each split: `category&clip&quality&start&end`."""
    lines = [_ave_line(clip) for clip in clips]
    _write_lines(root / ave.ANNOTATIONS, [_AVE_HEADER, *lines] if header else lines)
    for split, name in ave.SPLIT_FILES.items():
        _write_lines(root / name, [line for line, clip in zip(lines, clips, strict=True) if clip.split == split])


def write_ave_orders(root: Path, clips: Sequence[SampleClip]) -> None:
    """Annotations.txt, and the splits as lists of its line numbers."""
    _write_lines(root / ave.ANNOTATIONS, [_ave_line(clip) for clip in clips])
    for split, name in ave.ORDER_FILES.items():
        with h5py.File(root / name, "w") as file:
            file["order"] = np.array([i for i, clip in enumerate(clips) if clip.split == split], np.int64)


def write_questions(root: Path, clips: Sequence[SampleClip]) -> None:
    """A JSON list for each split, without questions whose words or answer training has never seen."""
    for split, rows in _questions(clips).items():
        write_text(root / music_avqa.SPLIT_FILES[split], json.dumps(rows, indent=1) + "\n")


def write_both_versions(root: Path, clips: Sequence[SampleClip]) -> None:
    """`json/`, and `json_update/` with one question less in each split, as the data set's second version has fewer."""
    for split, rows in _questions(clips).items():
        for folder, chosen in (("json", rows), ("json_update", rows[:-1] or rows)):
            (root / folder).mkdir(exist_ok=True)
            write_text(root / folder / music_avqa.SPLIT_FILES[split], json.dumps(chosen, indent=1) + "\n")


def write_lists(root: Path, clips: Sequence[SampleClip]) -> None:
    """CAV-MAE's lists, one for each split."""
    for split, name in _LISTS.items():
        rows = [
            {
                "video_id": clip.name,
                "wav": f"raw_audio/{clip.name}.wav",
                "video_path": "videos",
                "labels": CLASSES[clip.scene.event.category],
            }
            for clip in clips
            if clip.split == split
        ]
        write_text(root / name, json.dumps({"data": rows}, indent=1) + "\n")


def write_manifest(root: Path, clips: Sequence[SampleClip]) -> None:
    """manifest.csv, a row for each clip: its event's seconds and label."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "path", "start", "end", "split", "label"])
    for clip in clips:
        event = clip.scene.event
        path = f"videos/{clip.name}.mp4"
        writer.writerow([clip.name, path, event.start, event.end, clip.split, CLASSES[event.category]])
    write_text(root / MANIFEST, text.getvalue())


LAYOUTS: dict[str, Layout] = {
    "ave": Layout("event", "videos", "event_localisation", write_ave),
    "ave_header": Layout("event", "videos", "event_localisation", lambda root, clips: write_ave(root, clips, True)),
    "ave_h5": Layout("event", "videos", "event_localisation", write_ave_orders),
    "ave_frames": Layout("event", "frames", "event_localisation", write_ave),
    "music_avqa": Layout("ensemble", "videos", "avqa", write_questions),
    "music_avqa_update": Layout("ensemble", "videos", "avqa(version='v1u')", write_both_versions),
    "vggsound": Layout("event", "videos", "retrieval", write_lists),
    "manifest": Layout("event", "videos", "classification", write_manifest, known_labels=True),
    "avsbench_s4": Layout(
        "event",
        "frames",
        "segmentation",
        masks.write_s4_table,
        seconds=avsbench.SECONDS,
        write=masks.write_s4_clip,
        sounds_at_once=True,
    ),
    "avsbench_ms3": Layout(
        "ensemble",
        "frames",
        "segmentation",
        masks.write_ms3_table,
        seconds=avsbench.SECONDS,
        write=masks.write_ms3_clip,
    ),
    "llp": Layout("event", "videos", "parsing", by_modality.write_llp),
    "manifest_modality": Layout(
        "event",
        "videos",
        "parsing",
        by_modality.write_manifest_by_modality,
        known_labels=True,
        labels=by_modality.labels_of,
    ),
    "manifest_masks": Layout("event", "videos", "segmentation", masks.write_masked_manifest, known_labels=True),
}


def _ave_line(clip: SampleClip) -> str:
    event = clip.scene.event
    return f"{CLASSES[event.category]}&{clip.name}&good&{event.start}&{event.end}"


def _questions(clips: Sequence[SampleClip]) -> dict[Split, list[dict[str, object]]]:
    rows: dict[Split, list[dict[str, object]]] = {split: [] for split in SPLITS}
    vocabulary: set[str] = set()
    for clip in clips:
        for question in ask(clip.scene, seed=0):
            needed = {*music_avqa.tokenise(_content(question), list(question.values)), f"answer {question.answer}"}
            if clip.split == "train":
                vocabulary |= needed
            if needed <= vocabulary:
                rows[clip.split].append(_row(question, clip.name, len(rows[clip.split])))
    return rows


def can_be_asked(clips: Sequence[SampleClip]) -> bool:
    """Whether every split has a question whose words and answer occur in training."""
    return all(_questions(clips).values())


def _content(question: Question) -> str:
    # In MUSIC-AVQA the question mark belongs to the last word.
    return question.template.removesuffix(" ?").removesuffix("?") + "?"


def _row(question: Question, clip: str, number: int) -> dict[str, object]:
    return {
        "video_id": clip,
        "question_id": number,
        "type": json.dumps(question.kind.split(" ", 1)),
        "question_content": _content(question),
        "templ_values": json.dumps(question.values),
        "question_deleted": 0,
        "anser": question.answer,
    }


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    write_text(path, "\n".join(lines) + "\n")
