"""Arguments that several verbs share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import benchmark
import registry
from registry import Component, UserError
from registry.component import TOWER_OPTIONS
from registry.text import printable

if TYPE_CHECKING:
    from benchmark.use.trained import TrainedModel

SUMMARIES = {
    "run": "train a grid or one cell",
    "tune": "search rates and options of each adapter with equal effort",
    "list": "show the registered components and their options",
    "describe": "count parameters and operations of a cell, without weights or data",
    "profile": "measure time, memory and the share of the machine's rate that a cell reaches",
    "leaderboard": "rebuild the leaderboard from the records",
    "compare": "compare rows of the leaderboard over the seeds and items that they share",
    "export": "write rows for other programs and sites, or the schema of records",
    "predict": "say what a trained model hears and sees in videos",
    "embed": "write what a trained model makes of videos, a vector for each side of each clip",
    "status": "show which cells of the last grid are done, failed, running or waiting",
    "pretrain": "pre-train the tiny backbones on procedural pictures, never on sound",
    "data": "verify, prepare or write data sets",
    "weights": "convert a file of weights into timm's names as safetensors",
    "verify": "compare our models with tensors recorded from the official implementations",
    "stress": "score trained adapters again with sight or sound taken away or spoiled",
    "search": "find clips by the sight or the sound of another",
    "push": "publish a trained adapter on the Hugging Face hub",
    "pull": "fetch a trained adapter from the Hugging Face hub",
    "doctor": "show versions, caches and what is missing, and whether the default grid could run",
}
"""The verbs in the order of `--help`, and what each does."""

Verbs = Any
"""What argparse's `add_subparsers` returns; it has no public type."""


def add_verb(
    verbs: Verbs,
    name: str,
    act: Callable[[argparse.Namespace], int],
    *,
    examples: str,
    details: str = "",
    summary: str | None = None,
) -> argparse.ArgumentParser:
    """A parser for one verb, with its examples under `--help`; an action within a verb brings its own summary."""
    summary = summary or SUMMARIES[name]
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
        "--output",
        type=_folder,
        default=Path("runs"),
        metavar="DIR",
        help="folder of records and tables (default: runs)",
    )


def add_cell(parser: argparse.ArgumentParser, *, required: bool) -> None:
    for role in ("backbone", "adapter", "task"):
        parser.add_argument(
            f"--{role}", metavar="NAME", required=required, help=f"a registered {role}, with options: 'name(option=1)'"
        )


def add_kept(parser: argparse.ArgumentParser) -> None:
    """Where a kept adapter lies, as `benchmark.find_folder` takes it."""
    parser.add_argument("model", metavar="MODEL", help="a folder under adapters/, a row's name, or a hub repository")
    parser.add_argument("--runs", type=Path, metavar="DIR", help="the output that has the row (default: runs)")
    parser.add_argument("--seed", type=at_least(0), metavar="S", help="of the row (default: the smallest kept)")


def add_model(parser: argparse.ArgumentParser) -> None:
    add_kept(parser)
    add_weights(parser)
    parser.add_argument("--device", default="cpu", metavar="NAME", help="cpu, cuda or cuda:1 (default: cpu)")


def add_weights(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--weights",
        action="append",
        metavar="FILE",
        help="the backbone's weights, where they were a file; of two backbones visual=FILE, audio=FILE or both",
    )


def weight_files(arguments: argparse.Namespace) -> str | dict[str, str] | None:
    """What `add_weights` was given, as `benchmark.load` takes it.

    Raises:
        UserError: several files for one backbone.
    """
    texts: list[str] = arguments.weights or []
    parts = [text.partition("=") for text in texts]
    by_tower = {tower: file for tower, _, file in parts if tower in TOWER_OPTIONS and file}
    if not by_tower and len(texts) <= 1:
        return texts[0] if texts else None
    if len(by_tower) < len(texts):
        raise UserError(
            f"--weights {' --weights '.join(texts)} names several files; give one, or visual=FILE and audio=FILE."
        )
    return by_tower


def load_model(arguments: argparse.Namespace) -> TrainedModel:
    """The trained model that `add_model` and `add_plugins` ask for.

    Raises:
        UserError: there is none that can be used.
    """
    load_requested(arguments)
    options: dict[str, Any] = {"output": arguments.runs, "seed": arguments.seed}
    return benchmark.load(arguments.model, **options, device=arguments.device, weights=weight_files(arguments))


def load_requested(arguments: argparse.Namespace) -> None:
    """Load the installed plug-ins and those of `--plugin`.

    Raises:
        UserError: a requested plug-in fails.
    """
    benchmark.load_plugins(arguments.plugin, report=warn)


def checked_cell(arguments: argparse.Namespace) -> tuple[Component, Component, Component]:
    """Backbone, adapter and task of `--backbone`, `--adapter` and `--task`, in canonical form.

    Raises:
        UserError: an unknown name or option.
    """
    return (
        benchmark.checked(registry.BACKBONES, Component.parse(arguments.backbone)),
        benchmark.checked(registry.ADAPTERS, Component.parse(arguments.adapter)),
        benchmark.checked(registry.TASKS, Component.parse(arguments.task)),
    )


def _folder(text: str) -> Path:
    if not text.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is no folder; name one, or leave the option out for runs")
    return Path(text)


def warn(message: str) -> None:
    """One line on standard error, which leaves standard output to results."""
    print(f"warning: {printable(' '.join(message.split()))}", file=sys.stderr)


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
