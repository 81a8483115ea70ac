"""Synthetic clips with masks: AVSBench's folders, and a manifest's."""

from __future__ import annotations

import csv
import io
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from registry.vocabulary import SAMPLE_RATE
from tasks.datasets.annotations import MANIFEST
from tasks.datasets.avsbench import SPLIT_NAMES, TABLES
from tasks.media.files import write_text
from tasks.synthetic.masks import sounding_masks
from tasks.synthetic.render import render_frames
from tasks.synthetic.scene import CLASSES
from tasks.synthetic.sound import render_sound

if TYPE_CHECKING:
    from tasks.sample.layouts import SampleClip

MASK_SIDE = 224
"""Of AVSBench's pictures and masks."""
_OF_SPLIT = {split: name for name, split in SPLIT_NAMES.items()}


def write_s4_clip(root: Path, clip: SampleClip) -> None:
    """A clip as AVSBench's single sources have it: `s4_data/{visual_frames,gt_masks,audio_wav}/<split>/<category>/`."""
    place = Path(_OF_SPLIT[clip.split]) / CLASSES[clip.scene.event.category]
    _write_pictures(root / "s4_data", place, place, clip, "{clip}_{k}.png", masked=1 if clip.split == "train" else None)


def write_ms3_clip(root: Path, clip: SampleClip) -> None:
    """A clip as AVSBench's several sources have it: frames without a split's folder, `.mp4` within their names."""
    _write_pictures(root / "ms3_data", Path(), Path(_OF_SPLIT[clip.split]), clip, "{clip}.mp4_{k}.png", masked=None)


def write_s4_table(root: Path, clips: Sequence[SampleClip]) -> None:
    """s4_meta_data.csv: clip, start, category, split."""
    rows = [[clip.name, 0, CLASSES[clip.scene.event.category], _OF_SPLIT[clip.split]] for clip in clips]
    write_table(root / TABLES["s4"], ["name", "start", "category", "split"], rows)


def write_ms3_table(root: Path, clips: Sequence[SampleClip]) -> None:
    """ms3_meta_data.csv: clip, start, split."""
    rows = [[clip.name, 0, _OF_SPLIT[clip.split]] for clip in clips]
    write_table(root / TABLES["ms3"], ["video_id", "start", "split"], rows)


def write_masked_manifest(root: Path, clips: Sequence[SampleClip]) -> None:
    """manifest.csv with a column of mask folders, and the masks, one for the middle of each second."""
    rows = []
    for clip in clips:
        write_masks(root / "masks" / clip.name, "{k}.png", sounding_masks(clip.scene, MASK_SIDE))
        label = CLASSES[clip.scene.event.category]
        rows.append([clip.name, f"videos/{clip.name}.mp4", "", "", clip.split, label, f"masks/{clip.name}"])
    write_table(root / MANIFEST, ["id", "path", "start", "end", "split", "label", "masks"], rows)


def write_masks(folder: Path, name: str, masks: np.ndarray) -> None:
    """Masks (N, h, w) bool as white on black, numbered from 1."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, mask in enumerate(masks, start=1):
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / name.format(k=k))


def _write_pictures(data: Path, frames: Path, rest: Path, clip: SampleClip, name: str, masked: int | None) -> None:
    scene = clip.scene
    pictures = data / "visual_frames" / frames / clip.name
    pictures.mkdir(parents=True, exist_ok=True)
    for k, frame in enumerate(render_frames(scene, MASK_SIDE), start=1):
        Image.fromarray(frame).save(pictures / name.format(clip=clip.name, k=k))
    masks = sounding_masks(scene, MASK_SIDE)[:masked]
    write_masks(data / "gt_masks" / rest / clip.name, f"{clip.name}_{{k}}.png", masks)
    sounds = data / "audio_wav" / rest
    sounds.mkdir(parents=True, exist_ok=True)
    with wave.open(str(sounds / f"{clip.name}.wav"), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes((render_sound(scene).clip(-1, 1) * 32767).astype("<i2").tobytes())


def write_table(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table with commas."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([header, *rows])
    write_text(path, text.getvalue())
