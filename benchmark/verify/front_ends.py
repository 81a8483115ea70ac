"""LAVISH's golden sound: log-mel pictures of its AVE and AVQA front ends, from one recorded waveform."""

from __future__ import annotations

import re
from dataclasses import replace

import torch
from torch import Tensor

from backbones.families.swin_v2 import SOUND_MEAN, SOUND_STD
from backbones.pictures import VIT_SOUND, PictureSpec, SoundPicture, square_sound
from benchmark.model.front_end import INT16_SCALE, FrontEnd
from benchmark.model.model import Precision
from benchmark.verify.comparison import GoldenReport, Tolerance
from benchmark.verify.golden import Golden
from registry.vocabulary import SAMPLE_RATE
from tasks.media.sampling import published_starts

TOLERANCE = Tolerance(1e-3)
"""From the README beside the files."""

SECONDS = {"ave": 1.0, "avqa": 1.95}
AVQA_MEAN, AVQA_STD = -5.385333061218262, 3.5928637981414795
SEGMENT = re.compile(r"(?P<kind>\w+)/segment(?P<number>\d+)(_rows_(?P<first>\d+)_(?P<end>\d+))?")


def check(golden: Golden, precision: Precision) -> GoldenReport:
    """Make every recorded picture from the recorded waveform; sound is made in float32 in either precision.

    Raises:
        KeyError, ValueError: a file without the waveform or of another sample rate.
    """
    if golden.meta["sample_rate"] != SAMPLE_RATE:
        raise ValueError(f"sample_rate={golden.meta['sample_rate']}, expected {SAMPLE_RATE}.")
    report = GoldenReport(str(golden.path), "lavish sound front ends", "fp32")
    waveform = golden.tensors["input/pcm16"].double() * INT16_SCALE
    waveform = (waveform - waveform.mean()).float()
    for key, recorded in golden.tensors.items():
        if key.startswith("start_samples/"):
            seconds = SECONDS.get(key.partition("/")[2])
            starts = None if seconds is None else published_starts(len(waveform), len(recorded), seconds)
            report.add(key, "output", None if starts is None else torch.from_numpy(starts), recorded, Tolerance())
        elif not key.startswith("input/"):
            report.add(key, "output", _picture(golden, key, waveform), recorded, TOLERANCE)
    return report


def _picture(golden: Golden, key: str, waveform: Tensor) -> Tensor | None:
    """The rows of a picture that a key asks for, or None for a key or front end that we do not know."""
    asked = SEGMENT.fullmatch(key)
    kind = asked["kind"] if asked else ""
    task = kind.partition("_")[0]
    sound = _sound(kind, golden.tensors[key])
    if asked is None or sound is None:
        return None
    start, size = int(golden.tensors[f"start_samples/{task}"][int(asked["number"])]), int(SAMPLE_RATE * SECONDS[task])
    front_end = FrontEnd(PictureSpec(sound.mel_bands, (0.5,) * 3, (0.5,) * 3, sound))
    picture = front_end.audio(waveform[None, None, start : start + size])[0, 0, 0]
    return picture[int(asked["first"]) : int(asked["end"])] if asked["first"] else picture


def _sound(kind: str, picture: Tensor) -> SoundPicture | None:
    rows, bands = picture.shape
    known = {
        "ave_vit": replace(VIT_SOUND, mel_bands=bands, frames=rows),
        "ave_swin": square_sound(bands, SOUND_MEAN, SOUND_STD),
        "avqa": SoundPicture(bands, 10.0, bands, AVQA_MEAN, AVQA_STD),
    }
    return known.get(kind)
