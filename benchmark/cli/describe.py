"""`describe`: parameters by role and operations of one cell, without training it."""

from __future__ import annotations

import argparse
import json
from typing import Any

from benchmark.cli.arguments import Verbs, add_cell, add_plugins, add_verb, checked_cell, load_requested


def add_to(verbs: Verbs) -> None:
    parser = add_verb(
        verbs, "describe", "count parameters and operations of a cell, without weights or data", act,
        examples="describe --backbone tiny_vit --adapter 'stg_cma(ratio=0.25)' --task avqa\n"
        "describe --backbone swin_base --adapter lavish --task event_localisation --json",
    )  # fmt: skip
    add_cell(parser, required=True)
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_plugins(parser)


def act(arguments: argparse.Namespace) -> int:
    load_requested(arguments)
    from benchmark.cost.describe import describe

    described = describe(*checked_cell(arguments))
    if arguments.json:
        print(json.dumps(described, indent=2))
    else:
        _show(described)
    return 0


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
