"""`stress`: trained adapters once more on the test split, with sight or sound taken away or spoiled."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import benchmark
import results
from benchmark.cli.arguments import (
    Verbs,
    add_plugins,
    add_verb,
    add_weights,
    at_least,
    load_requested,
    warn,
    weight_files,
)
from benchmark.cli.leaderboard import show_leaderboard
from registry.errors import UserError
from results.store.store import Store

if TYPE_CHECKING:
    from results.record import RunRecord
    from results.statistics.robustness import Robustness

DETAILS = """\
The test split again without sight, without sound, with another clip's sound, with sound that comes 0.5, 1 or 2 s late,
with noise at five levels, and with frames dark, blurred or noisy at five levels each. Scores of every item are kept in
stress/ of the output; the leaderboard has columns and a panel for them, and compare sets two rows side by side.
ROW is as for compare, backbone/adapter with /task; all of its seeds whose adapters were kept are measured. What was
measured before is not measured again. See docs/how_to/measure_robustness.md."""
EXAMPLES = """\
stress 'tiny_vit/stg_cma(ratio=0.25)/event_localisation'
stress runs/adapters/tiny_vit-lora-avqa-s0-0123abcd runs/adapters/tiny_vit-lora-avqa-s1-4567cdef
stress tiny_vit/lavish/avqa --runs runs/pilot --again --json"""


def add_to(verbs: Verbs) -> None:
    parser = add_verb(verbs, "stress", act, details=DETAILS, examples=EXAMPLES)
    parser.add_argument(
        "models", nargs="+", metavar="ROW_OR_FOLDER", help="rows, or folders that run left in adapters/"
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="the output that has the rows")
    parser.add_argument("--seed", type=at_least(0), metavar="S", help="of rows (default: all that were kept)")
    parser.add_argument("--data", metavar="DIR", help="where the clips are, where they are not where the record says")
    add_weights(parser)
    parser.add_argument("--device", default="cpu", metavar="NAME", help="cpu, cuda or cuda:1 (default: cpu)")
    parser.add_argument("--workers", type=at_least(0), metavar="N", help="processes that load clips")
    parser.add_argument("--again", action="store_true", help="measure again what was measured before")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_plugins(parser)


def act(arguments: argparse.Namespace) -> int:
    load_requested(arguments)
    outputs: dict[Path, list[RunRecord]] = {}
    for name in dict.fromkeys(arguments.models):
        output, runs = benchmark.runs_of(name, arguments.runs, arguments.seed)
        known = outputs.setdefault(output, [])
        known += [run for run in runs if run not in known]
    told = []
    for output, runs in outputs.items():
        options = {"device": arguments.device, "data": arguments.data, "weights": weight_files(arguments)}
        measure_runs(runs, output, again=arguments.again, workers=arguments.workers, **options)
        told += _measured(output, {run.hash for run in runs})
        if not arguments.json:
            show_leaderboard(output)
    if arguments.json:
        print(json.dumps([_plain(name, known) for name, known in told], indent=2))
        return 0
    for name, robustness in told:
        results.show_robustness(name, robustness, benchmark.screen())
    return 0


def measure_runs(runs: Sequence[RunRecord], output: Path, *, again: bool = False, **options: Any) -> None:
    """Measure each of these runs that was not measured yet; a kill loses what was measured of one.

    Raises:
        UserError: as `benchmark.stress.kept.measure_kept`.
    """
    missing = runs if again else benchmark.without_stress(runs, output)
    for number, run in enumerate(missing, 1):
        with benchmark.preparation(f"stress {number} of {len(missing)}: {run.slug}") as report:
            benchmark.measure_kept(run, output, report=report, **options)


def stress_cells(hashes: Sequence[str], store: Store, **options: Any) -> None:
    """Measure the completed cells of a grid whose adapters were kept."""
    records = [record for run_hash in hashes if (record := store.read(run_hash)) and record.status == "completed"]
    for record in benchmark.without_stress(records, store.output):
        try:
            measure_runs([record], store.output, again=True, **options)
        except UserError as error:
            warn(str(error))


def _measured(output: Path, hashes: set[str]) -> list[tuple[str, Robustness]]:
    """The rows of these runs, by name."""
    board = results.gather(Store(output))
    return [
        (f"{row.short_backbone}/{row.short_adapter}/{row.task}", known)
        for row, known in zip(board.rows, board.robustness, strict=bool(board.robustness))
        if known and any(run.hash in hashes for run in row.runs)
    ]


def _plain(name: str, known: Robustness) -> dict[str, Any]:
    return {
        "row": name,
        "seeds": list(known.seeds),
        "clean": known.clean,
        "conditions": [
            {
                "name": drop.condition.name,
                "score": drop.score,
                "drop": drop.test.difference.mean,
                "low": drop.test.difference.low,
                "high": drop.test.difference.high,
                "p_corrected": drop.corrected,
            }
            for drop in known.drops
        ],
        "confusion": known.confusion._asdict() if known.confusion else None,
        "verdicts": list(known.verdicts),
        "left_out": dict(known.left_out),
    }
