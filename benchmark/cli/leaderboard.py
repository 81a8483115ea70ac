"""`leaderboard`: the tables, pictures and the page again, from the records."""

from __future__ import annotations

import argparse
import shlex
import threading
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import benchmark
import results
from benchmark.cli.arguments import Verbs, add_output, add_verb, existing_output, warn
from registry.text import printable
from results.store.store import Store

DETAILS = """\
Writes leaderboard.csv, .md, .tex, .html (one file, opens from disk without a network) and the trade-off pictures into
--output. Records are read from there too; --store reads them from elsewhere, and --merge adds those of other machines.
Runs of one name that differ in data, recipe, protocol, weights or versions stay in rows of their own, and what was kept
apart is said with the reason. See docs/how_to/read_the_leaderboard.md."""
EXAMPLES = """\
leaderboard
leaderboard --output runs/all --merge runs/machine1 runs/machine2
leaderboard --output board --store s3://bucket/runs
leaderboard --output runs/pilot --coverage"""


def add_to(verbs: Verbs) -> None:
    parser = add_verb(
        verbs, "leaderboard", act,
        examples=EXAMPLES, details=DETAILS,
    )  # fmt: skip
    add_output(parser)
    parser.add_argument(
        "--store", metavar="URL",
        help="read the records from this folder or fsspec URL instead (s3:// needs s3fs, and so on)",
    )  # fmt: skip
    parser.add_argument(
        "--merge", nargs="+", default=[], metavar="DIR_OR_URL", help="also read the records of these folders or URLs"
    )
    parser.add_argument("--coverage", action="store_true", help="show which cells are missing, and write nothing")


def act(arguments: argparse.Namespace) -> int:
    places = [arguments.store] if arguments.store else []
    # A folder that only receives the tables need not hold records.
    if not places and (not arguments.merge or arguments.output.is_dir()):
        places = [str(existing_output(arguments.output))]
    places += arguments.merge
    if arguments.coverage:
        return _show_coverage(places)
    show_leaderboard(arguments.output, places, _command(arguments))
    return 0


def show_leaderboard(output: Path, places: Sequence[str] = (), command: str | None = None) -> None:
    """Bring the leaderboard's files up to date, print its table, name the files and what was kept apart.

    Args:
        places: folders or URLs of the records; the output itself where there are none.

    Raises:
        UserError: a place that cannot be read, or an output that cannot be written.
    """
    stores = [results.open_store(place) for place in places] or [Store(output)]
    summary = results.refresh(output, results.Merged(stores), command)
    results.show(summary, benchmark.screen())
    for line in summary.notes:
        print(f"note: {line}")
    for line in summary.kept_apart:
        print(f"kept apart: {line}")
    for line in summary.unreadable:
        warn(line)
    if not summary.rows:
        print(f"{output} holds no records yet.")
    print("files: " + ", ".join(printable(str(output / name)) for name in summary.files))


def import_meanwhile() -> None:
    """Let a thread import what `show_leaderboard` needs, for a command that is about to wait for cells."""
    threading.Thread(target=_import_all).start()


def _import_all() -> None:
    # Whatever is missing is told where it is needed.
    with suppress(ImportError):
        import_module("results.outputs")
        import_module("results.render.console")


def _show_coverage(places: Sequence[str]) -> int:
    records = results.Merged([results.open_store(place) for place in places]).load()
    if not records:
        print(f"{', '.join(places)} holds no records yet.")
    else:
        results.show_coverage(results.coverage(records), benchmark.screen())
    return 0


def _command(arguments: argparse.Namespace) -> str:
    words = ["python", "-m", "benchmark", "leaderboard", "--output", str(arguments.output)]
    words += ["--store", arguments.store] if arguments.store else []
    return printable(shlex.join(words + (["--merge", *arguments.merge] if arguments.merge else [])))
