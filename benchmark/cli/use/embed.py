"""`embed`: a vector of each side of each clip, in a file."""

from __future__ import annotations

import argparse
from pathlib import Path

import benchmark
from benchmark.cli.arguments import Verbs, add_model, add_plugins, add_verb, at_least, load_model, warn

DETAILS = """\
Sight and sound are embedded alone: neither knows of the other. The vectors of a retrieval model lie in its joint space,
those of others are its features. The file is written whole at the end; what is done lies beside it, and the same
command goes on where it was cut off."""
EXAMPLES = """\
embed tiny_vit/lora/retrieval videos/ -o features.npz
embed runs/adapters/tiny_vit-lora-retrieval-s0-0123abcd manifest.csv -o features.parquet --modality audio"""


def add_to(verbs: Verbs) -> None:
    parser = add_verb(verbs, "embed", act, details=DETAILS, examples=EXAMPLES)
    add_model(parser)
    parser.add_argument("paths", nargs="+", metavar="PATH", help="videos, folders of pictures or videos, manifests")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="a name in .npz or .parquet")
    parser.add_argument("--modality", choices=["visual", "audio"], help="embed one side only (default: both)")
    parser.add_argument("--batch", type=at_least(1), default=8, metavar="N", help="clips at a time (default: 8)")
    parser.add_argument(
        "--workers", type=at_least(0), metavar="N", help="processes that decode clips (default: one for each core)"
    )
    parser.add_argument(
        "--skip-unreadable", action="store_true", help="leave out clips that cannot be decoded, and name them"
    )
    add_plugins(parser)


def act(arguments: argparse.Namespace) -> int:
    model = load_model(arguments)
    clips = benchmark.find_clips(arguments.paths)
    chosen = {} if arguments.modality is None else {"modalities": (arguments.modality,)}
    with benchmark.preparation(arguments.out.name, done_word="embedded") as report:
        written = benchmark.write_embeddings(
            model,
            clips,
            arguments.out,
            batch_size=arguments.batch,
            workers=arguments.workers,
            skip_unreadable=arguments.skip_unreadable,
            report=report,
            **chosen,
        )
    for line in written.left_out:
        warn(f"left out: {line}")
    print(f"written: {arguments.out}, {written.clips} clips by {model.config.row}")
    return 0
