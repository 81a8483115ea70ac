"""The parser of the command line: one verb per module, found in one tuple."""

from __future__ import annotations

import argparse
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn

from benchmark.cli import compare, data, describe, leaderboard, listing, pretrain, profile, run, status, verify
from registry.errors import UserError

PROGRAM = "python -m benchmark"
DISTRIBUTION = "av-adapter-bench"
VERBS = (run, listing, describe, profile, leaderboard, compare, status, pretrain, data, verify)


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line, like every other mistake of the user."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}. See: {self.prog} --help")


def build_parser() -> argparse.ArgumentParser:
    """The parser; a parsed command carries its verb's function as `act`, None where no verb was given."""
    parser = Parser(
        prog=PROGRAM,
        description="Train light adapters on frozen image backbones for audio-visual tasks, and compare them.",
        epilog=f"example: {PROGRAM} run --grid",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{DISTRIBUTION} {_version()}")
    parser.set_defaults(act=None)
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", parser_class=Parser)
    for verb in VERBS:
        verb.add_to(verbs)
    return parser


def _version() -> str:
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "(not installed)"
