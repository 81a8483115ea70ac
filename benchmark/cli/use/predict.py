"""`predict`: what a trained model says of videos."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

import benchmark
from benchmark.cli.arguments import Verbs, add_model, add_plugins, add_verb, load_model, warn

if TYPE_CHECKING:
    from benchmark.use.prediction import Prediction

SHOWN = 3
"""Labels of a clip as a whole that are shown."""
DETAILS = """\
MODEL is a folder that run left under adapters/, a row such as 'tiny_vit/lora(rank=8)/avqa' of --runs, or a repository
of the Hugging Face hub. VIDEO is a video, a folder of pictures (and a sound file), a folder of videos, or a manifest.
Clips are as long as those that the model was trained on: of a longer video the first seconds are read, and said so."""
EXAMPLES = """\
predict runs/adapters/tiny_vit-lora-event_localisation-s0-0123abcd clip.mp4
predict tiny_vit/lavish/avqa concert.mp4 --question 'How many sounds are there ?'
predict runs/adapters/tiny_vit-lora-event_localisation-s0-0123abcd clip.mp4 --output seen
predict 'tiny_vit/stg_cma(ratio=0.25)/classification' videos/ --json"""


def add_to(verbs: Verbs) -> None:
    parser = add_verb(verbs, "predict", act, details=DETAILS, examples=EXAMPLES)
    add_model(parser)
    parser.add_argument("videos", nargs="+", metavar="VIDEO", help="videos, folders of pictures or videos, manifests")
    parser.add_argument("--question", metavar="TEXT", help="for models that answer questions")
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each clip")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="also write prediction.html and prediction.png of each clip, into DIR/CLIP",
    )
    add_plugins(parser)


def act(arguments: argparse.Namespace) -> int:
    model = load_model(arguments)
    predictions = model.predict_each(arguments.videos, arguments.question)
    clips = benchmark.find_clips(arguments.videos)
    for clip, name, prediction in zip(clips, benchmark.folder_names(clips), predictions, strict=True):
        files = benchmark.write_report(model, clip, prediction, arguments.output / name) if arguments.output else []
        if arguments.json:
            print(json.dumps(prediction.to_dict()), flush=True)
        else:
            _show(prediction)
            print(*(f"written: {file}" for file in files), sep="\n", end="\n" if files else "")
    for label in model.config.labels:
        warn(f"this model is labelled {label!r}")
    return 0


def _show(prediction: Prediction) -> None:
    console = benchmark.screen()
    asked = f": {prediction.question}" if prediction.question else ""
    console.print(Text(f"{prediction.source}{asked}", style="bold"))
    table = Table(box=None, pad_edge=False)
    measure = "similarity" if prediction.labels == ("match",) else "probability"
    measure = "share of the frame" if prediction.masks is not None else measure
    for name in ("from", "to", "label", measure):
        table.add_column(name, justify="left" if name == "label" else "right")
    for begin, end, label, value in _lines(prediction):
        table.add_row(f"{begin:.1f} s", f"{end:.1f} s", Text(label), f"{value:.3f}")
    if prediction.active is not None and not prediction.events:
        console.print(Text("no event is heard or seen"))
    else:
        console.print(table)
    for note in prediction.notes:
        console.print(Text(f"note: {note}"))


def _lines(prediction: Prediction) -> Iterator[tuple[float, float, str, float]]:
    """Events, the likeliest label of each segment, or the likeliest few of a clip as a whole."""
    if prediction.active is not None:
        yield from prediction.events
        return
    several = len(prediction.times) > 1
    for (begin, end), row in zip(prediction.times, prediction.probabilities, strict=True):
        for index in row.argsort()[::-1][: 1 if several else SHOWN]:
            yield begin, end, prediction.labels[index], float(row[index])
