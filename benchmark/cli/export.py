"""`export`: rows for other programs and sites, and the schema of our records."""

from __future__ import annotations

import argparse
import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import results
from benchmark.cli.arguments import Verbs, add_output, add_verb, warn
from benchmark.cli.parser import DISTRIBUTION
from registry.errors import UserError
from results.render.format import counted
from results.store.files import write_atomically

FORMATS = ("every_eval_ever", "hub", "schema")
DETAILS = """\
every_eval_ever: a JSON file for each row and a JSONL file with its test items, under data/ as its data store has them.
hub: .eval_results/<task>.yaml for a model repository of the Hugging Face hub; --dataset is the data set's id there.
schema: record.schema.json, the JSON Schema of the records under <output>/records."""
EXAMPLES = """\
export every_eval_ever --output runs --to shared
export hub --output runs --to model_repository --dataset owner/name
export schema --to ."""


def add_to(verbs: Verbs) -> None:
    parser = add_verb(verbs, "export", act, examples=EXAMPLES, details=DETAILS)
    parser.add_argument("format", choices=FORMATS, help="what is written")
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="where it is written")
    parser.add_argument("--dataset", metavar="OWNER/NAME", help="hub: the data set's id there")
    add_output(parser)
    parser.add_argument(
        "--merge", nargs="+", default=[], metavar="DIR_OR_URL", help="also read the records of these folders or URLs"
    )


def act(arguments: argparse.Namespace) -> int:
    if (arguments.dataset is None) == (arguments.format == "hub"):
        raise UserError("--dataset OWNER/NAME belongs to the format hub, and hub needs it.")
    if arguments.format == "schema":
        text = json.dumps(results.record_schema(), indent=1) + "\n"
        return _wrote([_write(arguments.to / "record.schema.json", text)])
    source = results.Merged([results.open_store(place) for place in (arguments.output, *arguments.merge)])
    board = results.gather(source)
    for unreadable in board.unreadable:
        warn(f"{unreadable.path} was left out: {unreadable.reason}")
    rows = [row for row in board.rows if row.score.mean is not None]
    if not rows:
        raise UserError(f"{source.place} holds no row with a score; train first.")
    files = []
    if arguments.format == "hub":
        for task in dict.fromkeys(row.task.partition("(")[0] for row in rows):
            text = results.eval_results([row for row in rows if row.task.partition("(")[0] == task], arguments.dataset)
            files.append(_write(arguments.to / ".eval_results" / f"{task}.yaml", text))
        return _wrote(files)
    for row in rows:
        lines = list(results.item_lines(row, source.items, source.answers))
        content = results.evaluation(row, _version(), lines)
        files.append(_write(arguments.to / results.evaluation_path(row), json.dumps(content, indent=1) + "\n"))
        files += [_write(arguments.to / results.items_path(row), "".join(lines))] if lines else []
    return _wrote(files)


def _write(path: Path, text: str) -> Path:
    write_atomically(path, text.encode())
    return path


def _wrote(files: list[Path]) -> int:
    print(f"{counted(len(files), 'file')}: {', '.join(map(str, files[:6]))}{' …' if len(files) > 6 else ''}")
    return 0


def _version() -> str:
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"
