"""`push`: a kept adapter to the Hugging Face hub."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import benchmark
from benchmark.cli.arguments import Verbs, add_kept, add_plugins, add_verb, load_requested
from results.render.format import byte_count

if TYPE_CHECKING:
    from benchmark.use.hub import Transfer

REACHED = """\
The hub is that of HF_ENDPOINT, the token that of HF_TOKEN or of `hf auth login`; HF_HUB_OFFLINE=1 asks none."""


def add_to(verbs: Verbs) -> None:
    parser = add_verb(
        verbs, "push", act,
        details="Sends config.json, model.safetensors and the card README.md of a kept adapter, no other file.\n"
        f"{REACHED}",
        examples="push runs/adapters/tiny_vit-stg_cma-avqa-s0-1a2b3c4d me/stg-cma-avqa --dry-run\n"
        "push tiny_vit/stg_cma/avqa me/stg-cma-avqa --runs runs --seed 1 --public",
    )  # fmt: skip
    add_kept(parser)
    parser.add_argument("repository", metavar="REPO", help="OWNER/NAME on the hub; made where there is none")
    parser.add_argument("--public", action="store_true", help="let everybody read it (default: a private repository)")
    parser.add_argument("--dry-run", action="store_true", help="show what would be sent, and send nothing")
    add_plugins(parser)


def act(arguments: argparse.Namespace) -> int:
    load_requested(arguments)
    folder, _ = benchmark.find_folder(arguments.model, arguments.runs, arguments.seed)
    act = benchmark.plan_push if arguments.dry_run else benchmark.push
    transfer = act(folder, arguments.repository, private=not arguments.public)
    show_transfer("would push to" if arguments.dry_run else "pushed to", transfer)
    return 0


def show_transfer(done: str, transfer: Transfer) -> None:
    print(f"{done} {transfer.url} ({'private' if transfer.private else 'public'}):")
    for name, size in transfer.files.items():
        print(f"  {name:<18} {byte_count(size):>9}")
