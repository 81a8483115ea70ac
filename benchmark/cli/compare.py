"""`compare`: two rows of a leaderboard side by side, on the same seeds and items."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import benchmark
import results
from benchmark.cli.arguments import Verbs, add_output, add_verb, warn
from benchmark.grid.papers import Paper, paper, papers
from registry.errors import UserError
from registry.text import printable
from results.render.format import counted, score

if TYPE_CHECKING:
    from results.table.against_published import AgainstPublished
    from results.table.compare import RowPair
    from results.table.row import Row

DETAILS = """\
A row is named backbone/adapter, as in 'tiny_vit/stg_cma(ratio=0.25)'. A name without options stands for the only row of
that name; /task narrows it to one task, and @digits to one recipe, weights or versions where rows of one name differ.
Each task that both rows were run on gets a table: all items first, then question types, classes or directions.
Rows that look at one modality stand on the same board: add /task(modality='audio'). Below each table stand the seeds
that would tell the rows apart, the items on which they disagree most, and where both were measured with sight or sound
taken away or spoiled (stress), what each loses.

--published ROW sets one row beside the figure of the paper whose set-up it has: reproduced, below or above, by the
row's 95 % interval, or not comparable and why. --paper NAME takes another of list papers, and tells what differs."""
EXAMPLES = """\
compare tiny_vit/linear_probe 'tiny_vit/stg_cma(ratio=0.25)'
compare tiny_vit/lavish/avqa tiny_swin/lavish/avqa --output runs/pilot --json
compare --published clip_vit_large/stg_cma --output runs/ave"""


def add_to(verbs: Verbs) -> None:
    parser = add_verb(verbs, "compare", act, examples=EXAMPLES, details=DETAILS)
    parser.add_argument("first", nargs="?", metavar="ROW_A", help="backbone/adapter")
    parser.add_argument("second", nargs="?", metavar="ROW_B", help="backbone/adapter")
    parser.add_argument("--published", metavar="ROW", help="beside a paper's figure, in place of a second row")
    parser.add_argument("--paper", metavar="NAME", help="of --published: this paper (default: the one of its set-up)")
    add_output(parser)
    parser.add_argument("--store", metavar="URL", help="read the records from this folder or fsspec URL instead")
    parser.add_argument(
        "--merge", nargs="+", default=[], metavar="DIR_OR_URL", help="also read the records of these folders or URLs"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def act(arguments: argparse.Namespace) -> int:
    _refuse_half_a_question(arguments)
    source = results.Merged(
        [results.open_store(place) for place in (arguments.store or arguments.output, *arguments.merge)]
    )
    board = results.gather(source)
    for unreadable in board.unreadable:
        warn(f"{unreadable.path} was left out: {unreadable.reason}")
    if arguments.published:
        return _show_published(board.rows, arguments)
    paired = results.compare_rows(board.rows, source.items, arguments.first, arguments.second, board.robustness)
    if arguments.json:
        print(json.dumps([_plain(pair) for pair in paired], indent=2))
    else:
        results.show_comparison(paired, benchmark.screen())
    return 0


def _refuse_half_a_question(arguments: argparse.Namespace) -> None:
    if arguments.published and arguments.first:
        raise UserError("--published takes one row and no other; leave ROW_A and ROW_B out.")
    if arguments.paper and not arguments.published:
        raise UserError("--paper is for --published ROW; name the row.")
    if not arguments.published and not arguments.second:
        raise UserError("compare needs two rows, ROW_A and ROW_B, or --published ROW.")


def _show_published(rows: Sequence[Row], arguments: argparse.Namespace) -> int:
    asked = paper(arguments.paper) if arguments.paper else None
    found = [
        (one, results.against_published(row, results.figure_of(one.published), differs))
        for row in results.find_rows(rows, arguments.published).values()
        for one, differs in _papers_of(row, asked)
        if one.published
    ]
    if not found:
        raise UserError(_no_figure(arguments.published, asked))
    if arguments.json:
        print(json.dumps([_plain_verdict(one, verdict) for one, verdict in found], indent=2))
        return 0
    for one, verdict in found:
        row, figure = verdict.row, verdict.figure
        seeds = counted(row.score.seeds, "seed")
        print(printable(f"{one.title} ({one.name}): {figure.score.mean:g} {figure.metric}, {figure.source}"))
        ours = f"{score(row.score.mean, row.score.interval)}, {seeds}"
        print(printable(f"{row.short_backbone}/{row.short_adapter} on {row.data}: {ours}"))
        print(printable(verdict.sentence))
    return 0


def _papers_of(row: Row, asked: Paper | None) -> list[tuple[Paper, list[str]]]:
    """The paper that was asked for, or the one with the row's components whose recipe is nearest; and what differs."""
    run = row.runs[0]
    every = [asked] if asked else [one for one in papers().values() if one.published]
    known = [(one, one.differs_from(row.backbone, row.adapter, row.task, run.recipe, row.protocol)) for one in every]
    near = [pair for pair in known if asked or all(phrase.startswith("recipe ") for phrase in pair[1])]
    return [(one, ([one.differs] if one.differs else []) + told) for one, told in sorted(near, key=_differences)[:1]]


def _differences(known: tuple[Paper, list[str]]) -> int:
    return len(known[1])


def _no_figure(row: str, asked: Paper | None) -> str:
    if asked:
        return f"of {asked.name} no figure could be read, so {row} stands beside none; see list papers."
    return f"no paper with a figure has the set-up of {row}; give --paper NAME of list papers to see what differs."


def _plain_verdict(one: Paper, found: AgainstPublished) -> dict[str, Any]:
    row, figure = found.row, found.figure
    return {
        "paper": one.name,
        "row": f"{row.backbone}/{row.adapter}",
        **row.board._asdict(),
        "mean": row.score.mean,
        "low": found.low,
        "high": found.high,
        "seeds": row.score.seeds,
        "published": figure.score.mean,
        "source": figure.source,
        "verdict": found.verdict,
        "reasons": list(found.reasons),
    }


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
