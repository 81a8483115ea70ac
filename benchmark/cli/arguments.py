"""Arguments that several verbs share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.errors import UserError

if TYPE_CHECKING:
    from registry import Component

Verbs = Any
"""What argparse's `add_subparsers` returns; it has no public type."""


def add_verb(
    verbs: Verbs, name: str, summary: str, act: Callable[[argparse.Namespace], int], *, examples: str, details: str = ""
) -> argparse.ArgumentParser:
    """A parser for one verb, with its examples under `--help`."""
    lines = "\n".join(f"  python -m benchmark {example}" for example in examples.splitlines())
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=summary,
        description="\n\n".join(filter(None, [summary[0].upper() + summary[1:] + ".", details])),
        epilog=f"examples:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(act=act)
    return parser


def add_plugins(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--plugin",
        action="append",
        default=[],
        metavar="FILE_OR_MODULE",
        help="load components from a Python file or an importable module; may be repeated",
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", type=Path, default=Path("runs"), metavar="DIR", help="folder of records and tables (default: runs)"
    )


def add_cell(parser: argparse.ArgumentParser, *, required: bool) -> None:
    for role in ("backbone", "adapter", "task"):
        parser.add_argument(
            f"--{role}", metavar="NAME", required=required, help=f"a registered {role}, with options: 'name(option=1)'"
        )


def load_requested(arguments: argparse.Namespace) -> None:
    """Load the installed plug-ins and those of `--plugin`.

    Raises:
        UserError: a requested plug-in fails.
    """
    from registry.plugins import load_plugins

    load_plugins(arguments.plugin, report=warn)


def checked_cell(arguments: argparse.Namespace) -> tuple[Component, Component, Component]:
    """Backbone, adapter and task of `--backbone`, `--adapter` and `--task`, in canonical form.

    Raises:
        UserError: an unknown name or option.
    """
    from benchmark.grid.check import checked
    from registry import ADAPTERS, BACKBONES, TASKS, Component

    return (
        checked(BACKBONES, Component.parse(arguments.backbone)),
        checked(ADAPTERS, Component.parse(arguments.adapter)),
        checked(TASKS, Component.parse(arguments.task)),
    )


def warn(message: str) -> None:
    """One line on standard error, which leaves standard output to results."""
    print(f"warning: {message}", file=sys.stderr)


def at_least(least: int) -> Callable[[str], int]:
    """A reader of whole numbers from `least` on, for argparse."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if number < least:
            raise argparse.ArgumentTypeError(f"{number} is less than {least}")
        return number

    return read


def existing_output(output: Path) -> Path:
    """The output folder.

    Raises:
        UserError: there is none.
    """
    if not output.is_dir():
        raise UserError(f"there is no folder {output}; train first, or give another folder with --output.")
    return output
