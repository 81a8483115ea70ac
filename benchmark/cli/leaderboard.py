"""`leaderboard`: the tables and pictures again, from the records."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmark.cli.arguments import Verbs, add_output, add_verb, existing_output, warn


def add_to(verbs: Verbs) -> None:
    parser = add_verb(
        verbs, "leaderboard", "rebuild the tables and pictures from the records", act,
        examples="leaderboard\nleaderboard --output runs/pilot",
    )  # fmt: skip
    add_output(parser)


def act(arguments: argparse.Namespace) -> int:
    show_leaderboard(existing_output(arguments.output))
    return 0


def show_leaderboard(output: Path) -> None:
    """Write the leaderboard's files, print its table and name the files."""
    from benchmark.cli.screen import screen
    from results import console, leaderboard
    from results.store import Store

    board = leaderboard.write(output, Store(output))
    console.show(board.rows, screen())
    for unreadable in board.unreadable:
        warn(f"{unreadable.path} was left out: {unreadable.reason}")
    if not board.rows:
        print(f"{output} holds no records yet.")
    print("written: " + ", ".join(map(str, board.files)))
