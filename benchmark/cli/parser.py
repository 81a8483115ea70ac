"""The parser of the command line. Each verb has a module, and only that of the verb in use is imported."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

from benchmark.cli.arguments import SUMMARIES
from registry.errors import UserError

PROGRAM = "python -m benchmark"
DISTRIBUTION = "av-adapter-bench"
EPILOG = f"""\
environment:
  AVBENCH_CACHE     folder of everything that can be made again (default: ~/.cache/av-adapter-bench)
  AVBENCH_PREPARED  none: keep no pictures, features or other prepared facts there

example: {PROGRAM} run --grid"""
MODULES = {
    **{name: f"benchmark.cli.{name}" for name in SUMMARIES},
    # A module `list` would hide the built-in of that name from readers.
    "list": "benchmark.cli.listing",
    # What is done with a trained model.
    "predict": "benchmark.cli.use.predict",
    "embed": "benchmark.cli.use.embed",
    "search": "benchmark.cli.use.search",
    "stress": "benchmark.cli.use.stress",
    "push": "benchmark.cli.use.push",
    "pull": "benchmark.cli.use.pull",
    "doctor": "benchmark.cli.use.doctor",
    # Studies of more than one run.
    "tune": "benchmark.cli.study.tune",
}


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line, like every other mistake of the user."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}. See: {self.prog} --help")


class Version(argparse.Action):
    """Prints the installed version, which takes a moment to look up and no other command waits for."""

    def __call__(self, parser: argparse.ArgumentParser, *asked: Any) -> NoReturn:
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

        try:
            print(DISTRIBUTION, version(DISTRIBUTION))
        except PackageNotFoundError:
            print(DISTRIBUTION, "(not installed)")
        parser.exit()


def build_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of a command; a parsed command carries its verb's function as `act`, None where no verb was given.

    Args:
        arguments: of the command, whose verb's own arguments are all that is filled in.
    """
    asked = next((word for word in arguments if not word.startswith("-")), None)
    parser = Parser(
        prog=PROGRAM,
        description="Train light adapters on frozen image backbones for audio-visual tasks, and compare them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=Version, nargs=0, help="show the installed version and exit")
    parser.set_defaults(act=None)
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", parser_class=Parser)
    for name, summary in SUMMARIES.items():
        if name == asked:
            import_module(MODULES[name]).add_to(verbs)
        else:
            verbs.add_parser(name, help=summary)
    return parser
