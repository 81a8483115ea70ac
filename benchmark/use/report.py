"""Files of a prediction for a reader: its page and its picture, in a folder of their own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmark.use.clips import UserClip
from benchmark.use.exchange_map import exchange_map
from benchmark.use.page import write_page
from benchmark.use.picture import write_picture
from benchmark.use.prediction import Prediction
from benchmark.use.trained import TrainedModel

PAGE, PICTURE = "prediction.html", "prediction.png"
LONGEST = 80
"""Characters of a folder's name."""


def write_report(model: TrainedModel, clip: UserClip, prediction: Prediction, folder: Path) -> list[Path]:
    """Write `prediction.html` and `prediction.png` of one clip.

    Raises:
        DataError: a file of the clip that is missing or damaged.
        OutputError: the folder cannot be written.
    """
    exchange = exchange_map(model, clip)
    write_page(prediction, exchange, folder / PAGE)
    write_picture(prediction, exchange, folder / PICTURE)
    return [folder / PAGE, folder / PICTURE]


def folder_names(clips: Sequence[UserClip]) -> list[str]:
    """A name for the folder of each clip, of letters that every system takes; whatever a manifest says, no path."""
    names: list[str] = []
    for clip in clips:
        stem = re.sub(r"[^\w.-]+", "_", Path(clip.id).stem)[:LONGEST].strip("._") or "clip"
        names.append(next(name for name in _numbered(stem) if name.lower() not in map(str.lower, names)))
    return names


def _numbered(stem: str) -> Iterable[str]:
    yield stem
    number = 2
    while True:
        yield f"{stem}-{number}"
        number += 1
