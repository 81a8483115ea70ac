"""The procedural world as real files: mp4 clips with annotations in the layouts of AVE and MUSIC-AVQA."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console
from rich.progress import track

from registry.errors import UserError
from registry.vocabulary import SPLITS, Split
from tasks.avqa.data import tokenise
from tasks.media.encode import encode_clip
from tasks.synthetic.questions import Question, ask
from tasks.synthetic.render import render_frames
from tasks.synthetic.scene import CLASSES, Kind, Scene, make_scene
from tasks.synthetic.sound import render_sound

SECONDS = 10
_AVE_FILES: dict[Split, str] = {"train": "trainSet.txt", "validation": "valSet.txt", "test": "testSet.txt"}
_AVQA_FILES: dict[Split, str] = {"train": "avqa-train.json", "validation": "avqa-val.json", "test": "avqa-test.json"}
_FOLDERS: dict[Kind, str] = {"event": "ave", "ensemble": "music_avqa"}
_FIRST_SEED = 30_000_000
"""Above the scenes of the embedded splits, so that a sample repeats none of them."""
_BLOCK = 1_000_000
_README = """Synthetic sample of AV Adapter Bench

These clips are rendered by a program. They are not part of AVE or MUSIC-AVQA; only the layout of the folders and of the
annotation files is theirs, so that code which reads those data sets can be tried without them.

  ave/         event localisation and retrieval
  music_avqa/  audio-visual question answering

Train from it with: python -m benchmark run ... --set data=<this folder>
Written with seed {seed}, {clips} clips in each split, {size} x {size} pixels, {fps} frames per second.
"""


@dataclass(frozen=True)
class _Job:
    """One clip to be written."""

    path: Path
    kind: Kind
    split: Split
    seed: int
    size: int
    fps: int

    @property
    def scene(self) -> Scene:
        return make_scene(self.seed, SECONDS, self.kind)


def export_sample(root: Path, clips: int = 24, seed: int = 0, size: int = 128, fps: int = 8) -> None:
    """Write both data sets, on all cores; an earlier sample in the same folder is overwritten.

    Args:
        root: gets `ave/`, `music_avqa/` and README.txt; new, empty, or an earlier sample.
        clips: of each split of each data set, ten seconds each.
        seed: draws the clips; no clip occurs under two seeds, in two splits or in the embedded data.
        size: of the frames, in pixels squared.
        fps: frames per second.

    Raises:
        UserError: a number out of range, or a folder that holds something else or cannot be written.
    """
    _check_numbers(clips, seed, size, fps)
    readme = Path(root) / "README.txt"
    try:
        if readme.parent.exists() and any(readme.parent.iterdir()) and not _is_ours(readme):
            raise UserError(f"folder {root} holds other files; give a new one.")
        _make_folders(readme.parent)
        _write_text(readme, _README.format(seed=seed, clips=clips, size=size, fps=fps))
        jobs = [*_jobs(readme.parent, clips, seed, size, fps)]
        _write_clips(jobs)
        _write_events([job for job in jobs if job.kind == "event"])
        _write_questions([job for job in jobs if job.kind == "ensemble"])
    except OSError as error:
        raise UserError(f"cannot write a sample to {root}: {error.strerror or error}.") from None


def _check_numbers(clips: int, seed: int, size: int, fps: int) -> None:
    if not 1 <= clips <= _BLOCK:
        raise UserError(f"clips={clips} is not a number from 1 to {_BLOCK}.")
    if seed < 0:
        raise UserError(f"seed={seed} is negative; give 0 or more.")
    if size < 16 or size % 2:
        raise UserError(f"size={size} is not an even number of pixels, 16 or more.")
    if not 1 <= fps <= 60:
        raise UserError(f"fps={fps} is not a number from 1 to 60.")


def _is_ours(readme: Path) -> bool:
    first = _README.splitlines()[0]
    return readme.is_file() and readme.read_text(encoding="utf-8", errors="replace").startswith(first)


def _make_folders(root: Path) -> None:
    for folder in _FOLDERS.values():
        (root / folder / "videos").mkdir(parents=True, exist_ok=True)
        # Whatever interrupts the writing, old annotations never lie beside new clips.
        for name in (*_AVE_FILES.values(), *_AVQA_FILES.values(), "Annotations.txt"):
            (root / folder / name).unlink(missing_ok=True)


def _jobs(root: Path, clips: int, seed: int, size: int, fps: int) -> Iterator[_Job]:
    for kind, folder in _FOLDERS.items():
        for number, split in enumerate(SPLITS):
            block = (seed * len(SPLITS) + number) * _BLOCK
            for i in range(clips):
                # Eleven characters, as the ids of AVE.
                path = root / folder / "videos" / f"syn{number * clips + i:08d}.mp4"
                yield _Job(path, kind, split, _FIRST_SEED + block + i, size, fps)


def _write_clips(jobs: list[_Job]) -> None:
    console = Console(stderr=True)
    workers = min(os.cpu_count() or 1, len(jobs))
    with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
        written = pool.map(_write_clip, jobs)
        for _ in track(written, "writing clips", len(jobs), console=console, disable=not console.is_terminal):
            pass


def _write_clip(job: _Job) -> None:
    partial = job.path.with_suffix(".partial")
    encode_clip(partial, render_frames(job.scene, job.size, job.fps), job.fps, render_sound(job.scene))
    os.replace(partial, job.path)


def _write_events(jobs: list[_Job]) -> None:
    """Annotations.txt and a file for each split: `category&clip&quality&start&end`."""
    lines: dict[Split, list[str]] = {split: [] for split in SPLITS}
    for job in jobs:
        event = job.scene.event
        lines[job.split].append(f"{CLASSES[event.category]}&{job.path.stem}&good&{event.start}&{event.end}")
    folder = jobs[0].path.parent.parent
    for split, name in _AVE_FILES.items():
        _write_text(folder / name, "\n".join(lines[split]) + "\n")
    _write_text(folder / "Annotations.txt", "\n".join(line for split in SPLITS for line in lines[split]) + "\n")


def _write_questions(jobs: list[_Job]) -> None:
    """A JSON list for each split, without questions whose words or answer training has never seen."""
    rows: dict[Split, list[dict[str, object]]] = {split: [] for split in SPLITS}
    vocabulary: set[str] = set()
    for job in jobs:
        for question in ask(job.scene, seed=0):
            needed = {*tokenise(_content(question), list(question.values)), f"answer {question.answer}"}
            if job.split == "train":
                vocabulary |= needed
            if needed <= vocabulary:
                rows[job.split].append(_row(question, job.path.stem, len(rows[job.split])))
    for split, name in _AVQA_FILES.items():
        if not rows[split]:
            raise UserError(f"no question of the {split} split is left at so few clips; ask for more clips.")
        _write_text(jobs[0].path.parent.parent / name, json.dumps(rows[split], indent=1) + "\n")


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


def _write_text(path: Path, text: str) -> None:
    partial = path.with_suffix(path.suffix + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
