"""`pull`: a kept adapter from the Hugging Face hub."""

from __future__ import annotations

import argparse
from pathlib import Path

import benchmark
from benchmark.cli.arguments import Verbs, add_verb
from benchmark.cli.use.push import REACHED, show_transfer


def add_to(verbs: Verbs) -> None:
    parser = add_verb(
        verbs, "pull", act,
        details="Fetches config.json, model.safetensors and README.md, of bounded size, into the hub's cache and\n"
        f"prints the folder. Nothing of them is executed.\n{REACHED}",
        examples="pull me/stg-cma-avqa\npull me/stg-cma-avqa --to my_adapter --revision v2",
    )  # fmt: skip
    parser.add_argument("repository", metavar="REPO", help="OWNER/NAME on the hub")
    parser.add_argument("--revision", metavar="NAME", help="a branch, tag or commit (default: the main branch)")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="copy the adapter there; it must not exist yet")
    parser.add_argument("--dry-run", action="store_true", help="show what would be fetched, and fetch nothing")


def act(arguments: argparse.Namespace) -> int:
    if arguments.dry_run:
        show_transfer("would pull from", benchmark.plan_pull(arguments.repository, arguments.revision))
        return 0
    print(benchmark.pull(arguments.repository, arguments.revision, to=arguments.to))
    return 0
