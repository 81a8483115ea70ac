"""`compare`: two rows of a leaderboard side by side, on the same seeds and items."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import benchmark
import results
from benchmark.cli.arguments import Verbs, add_output, add_verb, warn

if TYPE_CHECKING:
    from results.table.compare import RowPair

DETAILS = """\
A row is named backbone/adapter, as in 'tiny_vit/stg_cma(ratio=0.25)'. A name without options stands for the only row of
that name; /task narrows it to one task, and @digits to one recipe, weights or versions where rows of one name differ.
Each task that both rows were run on gets a table: all items first, then question types, classes or directions.
Rows that look at one modality stand on the same board: add /task(modality='audio'). Below each table stand the seeds
that would tell the rows apart, the items on which they disagree most, and where both were measured with sight or sound
taken away or spoiled (stress), what each loses."""
EXAMPLES = """\
compare tiny_vit/linear_probe 'tiny_vit/stg_cma(ratio=0.25)'
compare tiny_vit/lavish/avqa tiny_swin/lavish/avqa --output runs/pilot --json"""


def add_to(verbs: Verbs) -> None:
    parser = add_verb(verbs, "compare", act, examples=EXAMPLES, details=DETAILS)
    parser.add_argument("first", metavar="ROW_A", help="backbone/adapter")
    parser.add_argument("second", metavar="ROW_B", help="backbone/adapter")
    add_output(parser)
    parser.add_argument("--store", metavar="URL", help="read the records from this folder or fsspec URL instead")
    parser.add_argument(
        "--merge", nargs="+", default=[], metavar="DIR_OR_URL", help="also read the records of these folders or URLs"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def act(arguments: argparse.Namespace) -> int:
    source = results.Merged(
        [results.open_store(place) for place in (arguments.store or arguments.output, *arguments.merge)]
    )
    board = results.gather(source)
    for unreadable in board.unreadable:
        warn(f"{unreadable.path} was left out: {unreadable.reason}")
    paired = results.compare_rows(board.rows, source.items, arguments.first, arguments.second, board.robustness)
    if arguments.json:
        print(json.dumps([_plain(pair) for pair in paired], indent=2))
    else:
        results.show_comparison(paired, benchmark.screen())
    return 0


def _plain(pair: RowPair) -> dict[str, Any]:
    return {
        **pair.board._asdict(),
        "first": f"{pair.first.backbone}/{pair.first.adapter}",
        "second": f"{pair.second.backbone}/{pair.second.adapter}",
        "seeds": pair.seeds,
        "differ_in": pair.differ_in,
        "seeds_needed": None if pair.seeds_needed is None or math.isinf(pair.seeds_needed) else pair.seeds_needed,
        "disagreements": [asdict(one) for one in pair.disagreements],
        "drops": [
            {
                "condition": one.condition.name,
                "first": one.first,
                "second": one.second,
                "difference": one.test.difference.mean,
                "low": one.test.difference.low,
                "high": one.test.difference.high,
                "p": one.test.p_value,
                "p_corrected": one.corrected,
            }
            for one in pair.drops
        ],
        "lines": [
            {
                "kind": line.kind,
                "items": line.items,
                "first": line.first,
                "second": line.second,
                "difference": line.test.difference.mean,
                "low": line.test.difference.low,
                "high": line.test.difference.high,
                "p": line.test.p_value,
                "p_corrected": line.corrected,
            }
            for line in pair.lines
        ],
    }
