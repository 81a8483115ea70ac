"""`list`: what is registered."""

from __future__ import annotations

import argparse
import inspect
import json
from typing import Any

from rich.table import Table
from rich.text import Text

import registry
import results
from benchmark.cli.arguments import Verbs, add_plugins, add_verb, load_requested
from benchmark.cli.display import screen
from benchmark.grid.papers import GPU, Paper, papers
from registry.component import option_defaults
from results.render import format

KINDS = ("backbones", "adapters", "tasks")
PAPERS = "papers"


def add_to(verbs: Verbs) -> None:
    parser = add_verb(
        verbs, "list", act,
        examples="list\nlist adapters\nlist papers\nlist adapters --plugin my_adapter.py\nlist tasks --json",
    )  # fmt: skip
    parser.add_argument("kind", nargs="?", choices=(*KINDS, PAPERS), help="only these (default: all components)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_plugins(parser)


def act(arguments: argparse.Namespace) -> int:
    if arguments.kind == PAPERS:
        return _list_papers(arguments.json)
    load_requested(arguments)
    listed = {kind: components(kind) for kind in ([arguments.kind] if arguments.kind else KINDS)}
    if arguments.json:
        print(json.dumps(listed, indent=2, default=repr))
    else:
        _show(listed)
    return 0


def components(kind: str) -> list[dict[str, Any]]:
    """Name, options with defaults and first docstring line of every component of a kind."""
    of_kind = dict(zip(KINDS, (registry.BACKBONES, registry.ADAPTERS, registry.TASKS), strict=True))[kind]
    described = []
    for name in registry.names(of_kind):
        build = registry.look_up(of_kind, name)
        summary = (inspect.getdoc(build) or "").partition("\n")[0]
        described.append({"name": name, "options": option_defaults(build), "summary": summary})
    return described


def _list_papers(as_json: bool) -> int:
    listed = [_described(one) for one in papers().values()]
    if as_json:
        print(json.dumps(listed, indent=2))
        return 0
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    for name in ("name", "set-up", "figure"):
        table.add_column(name, overflow="fold", no_wrap=name == "name")
    for name in ("trainable", f"GPU hours ({GPU}), at least"):
        table.add_column(name, justify="right")
    for entry in listed:
        figure = "" if entry["published"] is None else f"{entry['published']:g} {entry['metric']}"
        if figure and entry["differs"]:
            figure += ", of another set-up"
        counts = format.count(entry["trainable"]), f"{entry['hours_at_least']:.2g}"
        cells = (entry["name"], entry["title"], figure, *counts)
        table.add_row(*map(Text, cells))
    console = screen()
    console.print(table)
    console.print(
        "run --paper NAME --data DIR trains one. Hours are a limit from below, of operations and steps, without "
        "decoding or early stopping: docs/how_to/reproduce_a_paper.md.",
        style="dim",
    )
    return 0


def _described(one: Paper) -> dict[str, Any]:
    """Everything of a set-up in plain values."""
    figure = results.figure_of(one.published) if one.published else None
    return {
        **{name: getattr(one, name) for name in ("name", "title", "backbone", "adapter", "task", "recipe")},
        "settings": dict(one.settings),
        "only_with_protocol_paper": dict(one.quirk),
        "trainable": one.trainable,
        "published": figure.score.mean if figure else None,
        "metric": figure.metric if figure else None,
        "published_protocol": figure.protocol if figure else None,
        "source": figure.source if figure else None,
        "differs": one.differs,
        "hours_at_least": one.hours,
    }


def _show(listed: dict[str, list[dict[str, Any]]]) -> None:
    console = screen()
    for kind, entries in listed.items():
        table = Table(title=kind, title_justify="left", header_style="bold", box=None, padding=(0, 2, 0, 0))
        table.add_column("name", no_wrap=True)
        table.add_column("what it is")
        table.add_column("options")
        for entry in entries:
            options = ", ".join(f"{name}={default!r}" for name, default in entry["options"].items())
            table.add_row(*(Text(cell) for cell in (entry["name"], entry["summary"], options)))
        console.print(table)
        console.print()
