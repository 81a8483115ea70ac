"""`describe`: parameters by role and operations of one cell, without training it."""

from __future__ import annotations

import argparse
import json
from typing import Any

from benchmark.cli.arguments import Verbs, add_cell, add_plugins, add_verb, checked_cell, load_requested
from benchmark.cost.facts import facts_of
from benchmark.grid.spec import ROLES
from benchmark.runtime.remembered import names_no_file, recall, remember
from registry import Component


def add_to(verbs: Verbs) -> None:
    parser = add_verb(
        verbs, "describe", act,
        examples="describe --backbone tiny_vit --adapter 'stg_cma(ratio=0.25)' --task avqa\n"
        "describe --backbone swin_base --adapter lavish --task event_localisation --json",
    )  # fmt: skip
    add_cell(parser, required=True)
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_plugins(parser)


def act(arguments: argparse.Namespace) -> int:
    described = _described(arguments)
    if arguments.json:
        print(json.dumps(described, indent=2))
    else:
        _show(described)
    return 0


def _described(arguments: argparse.Namespace) -> dict[str, Any]:
    asked = [Component.parse(getattr(arguments, role)) for role in ROLES]
    # A plug-in may stand behind any name, and is known only when it has been imported.
    known = None if arguments.plugin or not names_no_file(asked) else recall("described", list(map(str, asked)))
    if known is not None:
        return dict(known)
    load_requested(arguments)
    described = facts_of(*checked_cell(arguments))
    if not arguments.plugin and names_no_file(asked):
        remember("described", list(map(str, asked)), described)
    return described


def _show(described: dict[str, Any]) -> None:
    width = max(map(len, described))
    for name, value in described.items():
        print(f"{name.replace('_', ' '):<{width}}  {_text(value)}")


def _text(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(inner)}" for key, inner in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)
