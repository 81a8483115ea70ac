"""`tune`: search rates and options of each adapter with equal effort, and write the grid file that was found."""

from __future__ import annotations

import argparse
from dataclasses import replace
from importlib.util import find_spec

import benchmark
from benchmark.cli import run_options
from benchmark.cli.arguments import Verbs, add_output, add_plugins, add_verb, at_least, load_requested, warn
from benchmark.cli.run import add_cells
from benchmark.grid.asked import asked_grid, with_names
from registry.errors import UserError

DETAILS = """\
For each adapter on each backbone and task of a grid, as many trials with as many epochs: the learning rates around
those of the grid, which are the first trial, and the options named by --options from the values that the adapter or the
task declares (search_space). Trials are chosen on validation; the test split is not looked at. They train as the cells
of `run` do, in <output>/trials.

<output>/trials.csv has every trial, <output>/tuned.toml the grid with what was chosen, for run --grid. The same command
goes on after it was cut off, and asks the same trials as an unbroken one; more --trials add to those that are done."""
EXAMPLES = """\
tune --grid --trials 20 --per adapter
tune --grid pilot.toml --trials 40 --sampler random --pruner none --output runs/pilot
tune --grid --adapters 'stg_cma(ratio=0.25),lavish' --options ratio latents --dry-run
run --grid runs/tuned.toml"""
SAMPLERS = ("tpe", "random")
"""Those of `benchmark.tune.search`, which takes seconds to import."""


def add_to(verbs: Verbs) -> None:
    parser = add_verb(verbs, "tune", act, examples=EXAMPLES, details=DETAILS)
    add_cells(parser)
    parser.add_argument(
        "--trials", type=at_least(1), default=20, metavar="N", help="of each search, all equal (default: 20)"
    )
    parser.add_argument(
        "--per", choices=["adapter", "task"], default="adapter",
        help="adapter: a search for each adapter on each backbone and task (the default); task: for each adapter and "
        "task, on the first backbone, whose values are then taken for all backbones",
    )  # fmt: skip
    parser.add_argument(
        "--options", nargs="+", default=[], metavar="NAME",
        help="options to search too, where an adapter or task lets them be: ratio, rank, latents, … (default: none, "
        "rates alone)",
    )  # fmt: skip
    parser.add_argument("--sampler", choices=SAMPLERS, default=SAMPLERS[0], help="default: tpe")
    parser.add_argument(
        "--pruner", choices=["asha", "none"], default="asha",
        help="asha: of three trials one is trained further, on validation, twice at most; none: all are trained to the "
        "end (default: asha)",
    )  # fmt: skip
    parser.add_argument(
        "--at-once", type=at_least(1), default=5, metavar="N",
        help="trials of each search that are asked for together, knowing those before (default: 5)",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=at_least(0), default=100, metavar="S",
        help="of trials and sampler; none of the seeds to report (default: 100)",
    )  # fmt: skip
    # A failure that is tried again changes what is asked for next.
    run_options.add_to(parser, retry="none", leaves_files=False)
    parser.add_argument("--dry-run", action="store_true", help="show the searches and what they will cost in epochs")
    add_output(parser)
    add_plugins(parser)


def act(arguments: argparse.Namespace) -> int:
    run_options.refuse_idle_options(arguments)
    if arguments.gpus_per_cell > 1:
        raise UserError("--gpus-per-cell is for run; a trial has one GPU.")
    if find_spec("optuna") is None:
        raise UserError("tune needs optuna; pip install 'av-adapter-bench[tune]'.")
    load_requested(arguments)
    grid = with_names(asked_grid(arguments), arguments.name)
    grid = replace(grid, seeds=tuple(dict.fromkeys(arguments.seeds or grid.seeds)))
    if arguments.seed in grid.seeds:
        warn(f"--seed {arguments.seed} is one of the seeds to report, whose score trials then are chosen for.")
    return benchmark.tune_cells(grid, arguments)
