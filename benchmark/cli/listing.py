"""`list`: what is registered."""

from __future__ import annotations

import argparse
import inspect
import json
from typing import Any

from rich.table import Table
from rich.text import Text

import registry
from benchmark.cli.arguments import Verbs, add_plugins, add_verb, load_requested
from benchmark.cli.display import screen
from registry.component import option_defaults

KINDS = ("backbones", "adapters", "tasks")


def add_to(verbs: Verbs) -> None:
    parser = add_verb(
        verbs, "list", act,
        examples="list\nlist adapters\nlist adapters --plugin my_adapter.py\nlist tasks --json",
    )  # fmt: skip
    parser.add_argument("kind", nargs="?", choices=KINDS, help="only these (default: all three)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_plugins(parser)


def act(arguments: argparse.Namespace) -> int:
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
