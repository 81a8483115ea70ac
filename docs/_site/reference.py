"""Reference pages, written from the code whenever the site is built: they cannot tell anything else than it does."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import json
import os
import re
import textwrap
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from benchmark.cli.arguments import SUMMARIES
from benchmark.cli.parser import build_parser
from registry import ADAPTERS, BACKBONES, TASKS, look_up, names
from registry.registries import version_of
from results import record
from results.table.columns import MEASUREMENTS, PRESENTED
from tasks.recipe import PRESETS, Recipe
from tasks.sample.layouts import LAYOUTS

ROOT = Path(__file__).resolve().parents[2]
FACE = ROOT / "docs" / "explanation" / "architecture.md"
NOTICE = "<!-- Written by docs/_site/reference.py from the code. -->\n\n"


def pages() -> dict[str, str]:
    """Markdown by its place under docs/."""
    made = {
        "command_line": command_line, "components": components, "recipe": recipe, "record": record_schema,
        "leaderboard_columns": leaderboard_columns, "python_api": python_api,
    }  # fmt: skip
    return {f"reference/{name}.md": NOTICE + make() for name, make in made.items()}


def assets() -> dict[str, str]:
    """Other files by their place under docs/."""
    return {"reference/record.schema.json": json.dumps(json_schema(), indent=1) + "\n"}


def command_line() -> str:
    """Every verb's own help."""
    os.environ["COLUMNS"] = "110"
    parts = [
        "# Command line\n",
        "`python -m benchmark VERB …`, or `av-adapter-bench VERB …` once it is installed. Exit status: 0 done, 1 something "
        "that was asked about is not well (a failed cell, a missing clip), 2 a mistake to mend, 130 interrupted.\n",
        table(("verb", "what it does"), [(f"[`{verb}`](#{verb})", text) for verb, text in SUMMARIES.items()]),
    ]
    for verb in SUMMARIES:
        parser = build_parser([verb])
        parts.append(f"\n## {verb}\n")
        for heading, one in _with_actions(verb, _choices(parser)[verb]):
            parts.append(f"{heading}```text\n{one.format_help().rstrip()}\n```\n")
    return "\n".join(parts)


def _choices(parser: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for action in parser._subparsers._group_actions if parser._subparsers else ():
        found.update(action.choices)
    return found


def _with_actions(verb: str, parser: Any) -> Iterator[tuple[str, Any]]:
    yield "", parser
    for name, inner in _choices(parser).items():
        yield f"### {verb} {name}\n\n", inner


def components() -> str:
    """Every registered component: its options, their defaults and what they mean."""
    parts = [
        "# Components\n",
        "A component is a name with options in one line: `stg_cma(ratio=0.25)`. The same text stands on the command line, in "
        "grid files, in records and in tables. `python -m benchmark list` prints this page in short.\n",
    ]
    for registry, title in ((BACKBONES, "Backbones"), (ADAPTERS, "Adapters"), (TASKS, "Tasks")):
        parts.append(f"## {title}\n")
        for name in names(registry):
            build = look_up(registry, name)
            parts.append(f"### {name}\n\nVersion {version_of(registry, name)}. {_prose(inspect.getdoc(build) or '')}\n")
            options = [p for p in inspect.signature(build).parameters.values() if p.name != "backbone"]
            if options:
                parts.append(f"```python\n{name}({', '.join(f'{p.name}={p.default!r}' for p in options)})\n```\n")
    return "\n".join(parts)


def _prose(doc: str) -> str:
    """A docstring as Markdown: its sections become lists."""
    lines, out = doc.splitlines(), []
    for line in lines:
        if re.fullmatch(r"(Args|Raises|Returns):", line.strip()):
            out += ["", f"**{line.strip()[:-1]}**", ""]
        elif match := re.match(r"    (\w+): (.*)", line):
            out.append(f"- `{match[1]}`: {match[2]}")
        elif line.startswith("        "):
            out.append("  " + line.strip())
        else:
            out.append(line)
    return "\n".join(out).strip()


def recipe() -> str:
    """Fields of the recipe, and the recipes of the papers as differences from the defaults."""
    docs, hints = _field_docs(Recipe), get_type_hints(Recipe)
    rows = [
        (f"`{f.name}`", _type(hints[f.name]), f"`{f.default!r}`", docs.get(f.name, ""))
        for f in dataclasses.fields(Recipe)
    ]
    parts = [
        "# Recipe fields\n",
        "Everything that decides how a cell is trained. `--set FIELD=VALUE` changes one, `--set FIELD=A,B` makes a run of "
        "each; in a grid file they stand in `[recipe]` and `[[override]]` tables. A task brings its published defaults, the "
        "embedded world those of `benchmark/grid/embedded.toml`.\n",
        table(("field", "values", "default", "meaning"), rows),
        "\n## Recipes by name\n",
        '`--set recipe=NAME`, or `preset = "NAME"` in a table. Only what differs from the defaults above is shown; set-ups as '
        "a whole are in [reproduce a paper](../how_to/reproduce_a_paper.md).\n",
    ]
    for name, preset in PRESETS.items():
        changed = {
            f.name: getattr(preset, f.name) for f in dataclasses.fields(Recipe) if getattr(preset, f.name) != f.default
        }
        parts.append(
            f"### {name}\n\n```toml\n" + "\n".join(f"{k} = {_toml(v)}" for k, v in changed.items()) + "\n```\n"
        )
    return "\n".join(parts)


def _toml(value: Any) -> str:
    return json.dumps(value)


def record_schema() -> str:
    """The fields of a record, and of what lies in it."""
    parts = [
        "# Record schema\n",
        f"A run writes one JSON file for each cell, `records/<hash>.json`, of schema {record.SCHEMA}. It is written once and "
        "never edited; what is unknown is `null`, never a number. [JSON Schema](record.schema.json){:download}. "
        "Older schemas are read and brought up to the present.\n",
    ]
    for kind in (record.RunRecord, record.Parameters, record.SingleClip, record.Failure):
        docs, hints = _field_docs(kind), get_type_hints(kind)
        rows = [(f"`{f.name}`", _type(hints[f.name]), docs.get(f.name, "")) for f in dataclasses.fields(kind)]
        parts += [f"## {kind.__name__}\n", f"{inspect.getdoc(kind)}\n", table(("field", "type", "meaning"), rows), ""]
    parts += ["## Labels of failures\n", ", ".join(f"`{kind}`" for kind in record.FAILURE_KINDS) + ".\n"]
    return "\n".join(parts)


def json_schema() -> dict[str, Any]:
    """The record as JSON Schema (draft 2020-12)."""
    body = _schema(record.RunRecord)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "AV Adapter Bench record", **body}


def _schema(kind: Any) -> dict[str, Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind):
        hints, docs = get_type_hints(kind), _field_docs(kind)
        fields = dataclasses.fields(kind)
        properties = {
            f.name: _schema(hints[f.name]) | ({"description": docs[f.name]} if f.name in docs else {}) for f in fields
        }
        needed = [
            f.name for f in fields if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        ]
        return {"type": "object", "properties": properties, "required": needed, "additionalProperties": False}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(one) for one in arguments]}
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1])}
    simple = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
    # A score that is not finite is written as null.
    return {} if kind is Any else {"type": ["number", "null"] if kind is float else simple[kind]}


def leaderboard_columns() -> str:
    """Every column of leaderboard.csv in its order."""
    rows = []
    for name, column in PRESENTED.items():
        better = {"high": "higher", "low": "lower", "": ""}[column.better]
        machine = "yes" if name in MEASUREMENTS else ""
        rows.append((f"`{name}`", column.title, column.meaning, better, machine))
    return "\n".join([
        "# Leaderboard columns\n",
        "`leaderboard.csv` is UTF-8, comma-separated, with a decimal point and lines that end in a line feed. An empty field is "
        "unknown; it is never 0. New columns are added at the end, existing ones keep name and place. A text that starts with "
        "`=`, `+`, `-` or `@` gets a leading apostrophe, so that no spreadsheet runs it as a formula. How intervals, p-values, "
        "fronts and family figures are computed: [statistics](../explanation/statistics.md).\n",
        table(("column", "heading on the page", "meaning", "better", "of the machine"), rows),
        "\nColumns *of the machine* measure a moment of it. In every other column a grid that was interrupted and continued has the "
        "bytes of an unbroken one.\n",
    ])  # fmt: skip


def python_api() -> str:
    """The public face, module by module, by mkdocstrings."""
    parts = [
        "# Python API\n",
        "These names do not move within a major version; what is not here may change in any. Letters of shapes: `B` clips, `T` "
        "segments of a clip, `L` tokens of a picture, `D` token width.\n",
    ]
    for module, members in face().items():
        listed = "\n".join(f"        - {name}" for name in members)
        parts.append(f"## {module}\n\n::: {module}\n    options:\n      members:\n{listed}\n")
    return "\n".join(parts)


def face() -> dict[str, list[str]]:
    """Public names by module, as the page on the architecture lists them."""
    rows = re.findall(r"^\| `([\w.]+)` \| ((?:`\w+`(?:, )?)+) \|$", FACE.read_text(), flags=re.MULTILINE)
    return {module: re.findall(r"`(\w+)`", listed) for module, listed in rows}


def layouts() -> str:
    """The layouts that `data sample` writes and the tasks that read them."""
    return table(("`--layout`", "read by"), [(f"`{name}`", f"`{layout.task}`") for name, layout in LAYOUTS.items()])


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    cells = [[" ".join(str(cell).split()).replace("|", "\\|") for cell in row] for row in rows]
    head = list(head)
    lines = [head, ["---"] * len(head), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _field_docs(kind: type) -> dict[str, str]:
    """The string below each field of a dataclass."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0].body  # type: ignore[attr-defined]
    return {
        field.target.id: " ".join(ast.literal_eval(doc.value).split())
        for field, doc in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(doc, ast.Expr) and isinstance(doc.value, ast.Constant)
    }  # fmt: skip


def _type(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join("`null`" if one is type(None) else _type(one) for one in get_args(kind))
    return f"`{kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind).replace('typing.', '')}`"
