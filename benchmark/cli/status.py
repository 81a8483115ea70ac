"""`status`: where the grid stands that an output folder was last asked for."""

from __future__ import annotations

import argparse
import json
from collections import Counter

from benchmark.cli.arguments import Verbs, add_output, add_verb, existing_output
from benchmark.launch.plan import read_plan, seconds_left, standing
from registry.errors import UserError
from registry.text import printable
from results.render.format import counted, duration
from results.store.store import Store

ORDER = ("running", "waiting", "failed", "done")


def add_to(verbs: Verbs) -> None:
    parser = add_verb(
        verbs, "status", act,
        examples="status\nstatus --output runs/pilot --json",
    )  # fmt: skip
    add_output(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def act(arguments: argparse.Namespace) -> int:
    output = existing_output(arguments.output)
    plan = read_plan(output)
    if plan is None:
        raise UserError(f"{output} has no plan.json, so no grid was run there; see python -m benchmark run --help.")
    store = Store(output)
    rows = [(cell, *standing(store, cell)) for cell in plan.cells]
    left = seconds_left(plan, store)
    if arguments.json:
        cells = [
            {"slug": cell.spec.slug, "hash": cell.hash, "standing": at, "note": note, "log": _log(at, cell.spec.slug)}
            for cell, at, note in rows
        ]
        print(json.dumps(cells, indent=2))
        return 0
    counts = Counter[str](at for _, at, _ in rows)
    about = f"; about {duration(left)} left" if left else ""
    print(f"{counted(len(rows), 'cell')}: " + ", ".join(f"{counts[at]} {at}" for at in ORDER if counts[at]) + about)
    for cell, at, note in sorted(rows, key=lambda row: ORDER.index(row[1])):
        print(
            "  ".join(
                filter(
                    None, [f"{at:<7}", printable(cell.spec.title), printable(note), _shown(_log(at, cell.spec.slug))]
                )
            )
        )
    print(f"logs: {output / 'logs'}")
    return 0


def _shown(log: str) -> str:
    return f"({log})" if log else ""


def _log(at: str, slug: str) -> str:
    return f"logs/{slug}.log" if at in ("running", "failed") else ""
