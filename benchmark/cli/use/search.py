"""`search`: clips whose sight or sound is nearest to that of a query."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from rich.table import Table
from rich.text import Text

import benchmark
from benchmark.cli.arguments import Verbs, add_model, add_plugins, add_verb, at_least, load_model

SIDES = ("audio", "visual")


def add_to(verbs: Verbs) -> None:
    parser = add_verb(
        verbs, "search", act,
        details="FEATURES is a file that embed wrote with the same model. By its sound a clip finds sights, by its\n"
        "sight sounds, in the joint space of a retrieval model; any other model finds like with like (--among).",
        examples="search tiny_vit/lora/retrieval features.npz --query clip.mp4 --by audio\n"
        "search tiny_vit/lora/avqa features.npz --query clip.mp4 --by visual --among visual -k 20 --json",
    )  # fmt: skip
    add_model(parser)
    parser.add_argument("features", type=Path, metavar="FEATURES", help="a file of embed, .npz or .parquet")
    parser.add_argument(
        "--query", required=True, metavar="VIDEO", help="a video, or a folder of pictures with its sound"
    )
    parser.add_argument("--by", choices=SIDES, required=True, help="the side of the query to go by")
    parser.add_argument("--among", choices=SIDES, help="the side of the clips to search (default: the other one)")
    parser.add_argument("-k", type=at_least(1), default=5, metavar="K", help="clips to show at most (default: 5)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_plugins(parser)


def act(arguments: argparse.Namespace) -> int:
    embeddings = benchmark.read_embeddings(arguments.features)
    model = load_model(arguments)
    words = {"among": arguments.among, "k": arguments.k}
    hits = benchmark.search(model, embeddings, arguments.query, arguments.by, **words)
    if arguments.json:
        print(json.dumps([asdict(hit) for hit in hits], indent=2))
        return 0
    table = Table(box=None, pad_edge=False)
    for name in ("similarity", "clip", "source"):
        table.add_column(name, justify="right" if name == "similarity" else "left", overflow="fold")
    for hit in hits:
        table.add_row(f"{hit.similarity:.3f}", Text(hit.id), Text(hit.source if hit.source != hit.id else ""))
    benchmark.screen().print(table)
    return 0
