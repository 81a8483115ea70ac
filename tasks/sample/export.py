"""The procedural world as real files: mp4 clips with annotations in the layouts of real data sets."""

from __future__ import annotations

import itertools
import os
import shlex
import wave
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track

from registry.errors import UserError, unknown
from registry.vocabulary import SAMPLE_RATE, SPLITS
from tasks.datasets.sample import FIRST_LINE, NOTE, has_note
from tasks.media.encode import encode_clip
from tasks.media.files import write_text
from tasks.sample.layouts import LAYOUTS, Layout, SampleClip, can_be_asked
from tasks.synthetic.render import render_frames
from tasks.synthetic.scene import make_scene
from tasks.synthetic.sound import render_sound

BOTH = "both"
"""Two data sets, as `ave/` and `music_avqa/`."""
_FIRST_SEED = 30_000_000
"""Above the scenes of the embedded splits, so that a sample repeats none of them."""
_BLOCK = 1_000_000
_ANNOTATIONS = (".txt", ".json", ".csv", ".h5")
_README = f"""{FIRST_LINE}

These clips are rendered by a program. They are not part of AVE, MUSIC-AVQA, VGGSound, AVSBench or LLP; only the
layout of the folders and of the annotation files is theirs, so that code which reads those data sets can be tried
without them.

{{contents}}

To train from it:

{{commands}}

Written with seed {{seed}}, {{clips}} clips in each split, {{size}} x {{size}} pixels, {{fps}} frames per second.
"""


@dataclass(frozen=True)
class _Job:
    """One clip to be written."""

    folder: Path
    layout: str
    clip: SampleClip
    size: int
    fps: int


def export_sample(
    root: Path, clips: int = 24, seed: int = 0, size: int = 128, fps: int = 8, layout: str = BOTH
) -> None:
    """Write a sample on all cores; an earlier one in the same folder is overwritten.

    Args:
        root: gets the data set and README.txt; new, empty, or an earlier sample.
        clips: of each split, ten seconds each, or as long as those of the data set.
        seed: draws the clips; no clip occurs under two seeds, in two splits or in the embedded data.
        size: of the frames, in pixels squared.
        fps: frames per second.
        layout: one of `LAYOUTS`, or `both` for those of AVE and MUSIC-AVQA in folders of their own.

    Raises:
        UserError: a number out of range, too few clips to ask about, or a folder that holds something else or cannot
            be written.
    """
    _check_numbers(clips, seed, size, fps)
    if layout not in (BOTH, *LAYOUTS):
        raise unknown("layout", layout, (BOTH, *LAYOUTS))
    for name in ("ave", "music_avqa") if layout == BOTH else (layout,):
        _check_questions(LAYOUTS[name], clips, seed)
    root = Path(root)
    folders = {root / "ave": "ave", root / "music_avqa": "music_avqa"} if layout == BOTH else {root: layout}
    readme = root / NOTE
    try:
        if root.exists() and any(root.iterdir()) and not has_note(root):
            raise UserError(f"folder {root} holds other files; give a new one.")
        contents = "\n".join(f"  {folder.relative_to(root)}/  in the layout {name}" for folder, name in folders.items())
        commands = "\n".join(_command(folder, LAYOUTS[name].task) for folder, name in folders.items())
        _clear_annotations(root, folders)
        said = _README.format(contents=contents, commands=commands, seed=seed, clips=clips, size=size, fps=fps)
        write_text(readme, said)
        samples = {folder: sample_clips(LAYOUTS[name], clips, seed) for folder, name in folders.items()}
        _write_clips(
            [_Job(folder, folders[folder], clip, size, fps) for folder, sample in samples.items() for clip in sample]
        )
        for folder, name in folders.items():
            LAYOUTS[name].annotate(folder, samples[folder])
    except OSError as error:
        raise UserError(f"cannot write a sample to {root}: {error.strerror or error}.") from None


def sample_clips(layout: Layout, clips: int, seed: int) -> list[SampleClip]:
    """The clips of a sample, split by split; names have eleven characters, as the ids of AVE."""
    chosen: list[SampleClip] = []
    for number, split in enumerate(SPLITS):
        first = _FIRST_SEED + (seed * len(SPLITS) + number) * _BLOCK
        drawn = (make_scene(first + i, layout.seconds, layout.kind) for i in range(_BLOCK))
        scenes = (scene for scene in drawn if layout.takes(scene))
        if layout.known_labels and number:
            known = {label for clip in chosen for label in layout.labels(clip.scene)}
            scenes = (scene for scene in scenes if known.issuperset(layout.labels(scene)))
        names = (f"syn{number * clips + i:08d}" for i in range(clips))
        chosen += [SampleClip(name, split, scene) for name, scene in zip(names, scenes, strict=False)]
    return chosen


def write_frames(root: Path, name: str, frames: np.ndarray, sound: np.ndarray) -> None:
    """A clip as `video_frames/<name>/0001.jpg`, … and `raw_audio/<name>.wav`, as the papers' scripts extract them.

    Args:
        frames: (N, h, w, 3) uint8, RGB.
        sound: (samples,) float32 at `SAMPLE_RATE`, in [-1, 1].
    """
    folder = root / "video_frames" / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames, start=1):
        cv2.imwrite(str(folder / f"{number:04d}.jpg"), frame[..., ::-1])
    (root / "raw_audio").mkdir(exist_ok=True)
    with wave.open(str(root / "raw_audio" / f"{name}.wav"), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes((sound.clip(-1, 1) * 32767).astype("<i2").tobytes())


def _command(folder: Path, task: str) -> str:
    task, where = shlex.quote(task), shlex.quote(f"data={folder}")
    return f"  python -m benchmark run --backbone tiny_vit --adapter stg_cma --task {task} --set {where}"


def _check_numbers(clips: int, seed: int, size: int, fps: int) -> None:
    if not 1 <= clips <= _BLOCK:
        raise UserError(f"clips={clips} is not a number from 1 to {_BLOCK}.")
    if seed < 0:
        raise UserError(f"seed={seed} is negative; give 0 or more.")
    if size < 16 or size % 2:
        raise UserError(f"size={size} is not an even number of pixels, 16 or more.")
    if not 1 <= fps <= 60:
        raise UserError(f"fps={fps} is not a number from 1 to 60.")


def _check_questions(layout: Layout, clips: int, seed: int) -> None:
    if layout.task.startswith("avqa") and not can_be_asked(sample_clips(layout, clips, seed)):
        enough = next(n for n in itertools.count(clips + 1) if can_be_asked(sample_clips(layout, n, seed)))
        raise UserError(
            f"clips={clips} leaves a split without a question whose words and answer occur in training; give "
            f"{enough} or more."
        )


def _clear_annotations(root: Path, folders: Iterable[Path]) -> None:
    """Whatever interrupts the writing, old annotations never lie beside new clips."""
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    for path in list(root.rglob("*")):
        if path.suffix in _ANNOTATIONS and path != root / NOTE:
            path.unlink()


def _write_clips(jobs: Sequence[_Job]) -> None:
    console = Console(stderr=True)
    workers = min(os.cpu_count() or 1, len(jobs))
    context = get_context("forkserver")
    # Imported once, and not by each process.
    context.set_forkserver_preload(["tasks.sample.export"])
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        written = pool.map(_write_clip, jobs)
        for _ in track(written, "writing clips", len(jobs), console=console, disable=not console.is_terminal):
            pass


def _write_clip(job: _Job) -> None:
    layout = LAYOUTS[job.layout]
    if layout.write:
        layout.write(job.folder, job.clip)
        return
    frames, sound = render_frames(job.clip.scene, job.size, job.fps), render_sound(job.clip.scene)
    if layout.media == "frames":
        write_frames(job.folder, job.clip.name, frames, sound)
        return
    path = job.folder / "videos" / f"{job.clip.name}.mp4"
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(".partial")
    encode_clip(partial, frames, job.fps, sound)
    os.replace(partial, path)
