"""`data`: `data sample` writes clips of the synthetic world as real files."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmark.cli.arguments import Verbs, add_verb, at_least


def add_to(verbs: Verbs) -> None:
    parser = add_verb(
        verbs, "data", "write data sets", act,
        examples="data sample clips\ndata sample clips --clips 200 --seed 1\n"
        "run --backbone tiny_vit --adapter lavish --task event_localisation --set data=clips",
    )  # fmt: skip
    parser.add_argument(
        "what", choices=["sample"], help="sample: mp4 clips of the synthetic world, annotated as AVE and MUSIC-AVQA are"
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="where to write")
    parser.add_argument("--clips", type=at_least(1), default=24, metavar="N", help="clips of each split (default: 24)")
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="S", help="which clips (default: 0)")


def act(arguments: argparse.Namespace) -> int:
    from tasks.synthetic.export import export_sample

    export_sample(arguments.folder, arguments.clips, arguments.seed)
    folder = arguments.folder
    print(f"written: {folder}, {arguments.clips} clips in each split; to train from it: --set data={folder}")
    return 0
