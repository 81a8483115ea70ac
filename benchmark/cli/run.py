"""`run`: train a grid, or one cell, and make the leaderboard."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.cli.arguments import (
    Verbs,
    add_cell,
    add_output,
    add_plugins,
    add_verb,
    at_least,
    load_requested,
)
from registry.errors import UserError

if TYPE_CHECKING:
    from benchmark.grid import Grid, RunSpec
    from benchmark.plan import Cell
    from results.store import Store

INTERRUPTED = 130
EMBEDDED = "the embedded grid"
DETAILS = """\
The grid file is TOML: lists of backbones, adapters and tasks, seeds, a [recipe] table and [[override]] tables that
change the recipe of the cells named by their backbone, adapter or task. Without a file, the embedded grid is run.

--backbones, --adapters and --tasks narrow the grid: a name selects the grid's components of that name; a name that the
grid does not have, or a component with options, takes the place of the grid's own.

Cells that are done are not run again. Exit status: 0 done, 1 a cell failed, 2 a mistake to mend, 130 interrupted."""
EXAMPLES = """\
run --grid
run --grid pilot.toml --seeds 0 1 2 --set epochs=2
run --grid --backbones tiny_vit --adapters 'linear_probe,stg_cma(ratio=0.25)' --dry-run
run --backbone tiny_vit --adapter lavish --task avqa
run --backbone tiny_clip --adapter stg_cma --task event_localisation --set recipe=stg_cma_ave --protocol paper"""


def add_to(verbs: Verbs) -> None:
    parser = add_verb(verbs, "run", "train a grid or one cell", act, examples=EXAMPLES, details=DETAILS)
    parser.add_argument(
        "--grid", nargs="?", const=EMBEDDED, metavar="FILE.toml", help="every combination of a grid file's components"
    )
    add_cell(parser, required=False)
    for kind in ("backbones", "adapters", "tasks"):
        parser.add_argument(f"--{kind}", metavar="A,B", help=f"narrow the grid to these {kind}")
    parser.add_argument(
        "--seeds", nargs="+", type=at_least(0), metavar="S", help="one run of each cell for each (default: the grid's)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", dest="settings",
        help="a field of the recipe, or else an option of the tasks (data=DIR), or recipe=NAME for a paper's recipe "
        "(docs/recipes.md); may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--protocol", choices=["validation", "paper"], default="validation",
        help="paper: select the epoch on the test split, as the papers do; labelled so in records and tables",
    )  # fmt: skip
    parser.add_argument(
        "--device", choices=["auto", "cpu", "cuda"], default="auto", help="default: cuda where there is one"
    )
    parser.add_argument(
        "--jobs", type=at_least(1), metavar="N",
        help="cells at a time, the processor's cores divided among them (default: one per core, on cuda one)",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="show the cells, their parameters and what is done")
    add_output(parser)
    add_plugins(parser)


def act(arguments: argparse.Namespace) -> int:
    grid = _asked_grid(arguments)
    load_requested(arguments)
    from benchmark.plan import identify
    from results.store import Store

    cells = identify(_checked_specs(grid, arguments))
    store = Store(arguments.output)
    if arguments.dry_run:
        from benchmark.cli.planned import show_plan

        show_plan(cells, store)
        return 0
    return _run(cells, store, arguments)


def _asked_grid(arguments: argparse.Namespace) -> Grid:
    from benchmark.grid import Grid
    from registry import Component

    single = {role: getattr(arguments, role) for role in ("backbone", "adapter", "task")}
    given = [role for role, text in single.items() if text is not None]
    if arguments.grid is not None:
        if given:
            raise UserError(f"--grid and --{given[0]} exclude each other; write --grid --{given[0]}s to narrow a grid.")
        return Grid.embedded() if arguments.grid is EMBEDDED else Grid.load(arguments.grid)
    if missing := [f"--{role}" for role in single if role not in given]:
        lacking = f"one cell also needs {' and '.join(missing)}" if given else "nothing to run"
        raise UserError(f"{lacking}; write --grid, or --backbone X --adapter Y --task Z.")
    backbone, adapter, task = (Component.parse(text) for text in single.values())
    return Grid((backbone,), (adapter,), (task,))


def _checked_specs(grid: Grid, arguments: argparse.Namespace) -> list[RunSpec]:
    from benchmark.checks import check_builds
    from benchmark.expansion import expand

    specs = expand(
        grid,
        backbones=arguments.backbones,
        adapters=arguments.adapters,
        tasks=arguments.tasks,
        seeds=list(dict.fromkeys(arguments.seeds)) if arguments.seeds else None,
        settings=arguments.settings,
        protocol=arguments.protocol,
    )
    check_builds(specs)
    return specs


def _run(cells: Sequence[Cell], store: Store, arguments: argparse.Namespace) -> int:
    from benchmark.cli.leaderboard import show_leaderboard
    from benchmark.plan import write_plan

    store.prepare()
    write_plan(store.output, cells)
    missing = [cell for cell in cells if not store.completed(cell.hash)]
    done = len(cells) - len(missing)
    if missing:
        _prepare_data(missing)
        status = _train(missing, done, store, arguments)
    else:
        status = 0
        print(f"{_cells(len(cells))}: {done} done, nothing to train")
    if status != INTERRUPTED:
        show_leaderboard(store.output)
    return status


def _prepare_data(missing: Sequence[Cell]) -> None:
    """What every cell would wait for: clips rendered, media found."""
    from benchmark.cli.display import preparation
    from benchmark.expansion import build_task

    for task in dict.fromkeys(cell.spec.task for cell in missing):
        with preparation(str(task)) as report:
            build_task(task).prepare(report)


def _train(missing: Sequence[Cell], done: int, store: Store, arguments: argparse.Namespace) -> int:
    from benchmark.cli.display import display
    from benchmark.launch.local import Placement, cores, launch

    device = _device(arguments.device)
    jobs = arguments.jobs or (cores() if device == "cpu" else 1)
    placement = Placement(device, jobs, tuple(arguments.plugin))
    total = done + len(missing)
    print(f"{_cells(total)}: {done} done, {len(missing)} to train on {device}, {min(jobs, len(missing))} at a time")
    try:
        with display(total, done) as observer:
            outcome = launch(missing, store, placement, observer)
    except KeyboardInterrupt:
        left = sum(not store.completed(cell.hash) for cell in missing)
        print(f"interrupted: {total - left} of {_cells(total)} done; the same command continues.", file=sys.stderr)
        return INTERRUPTED
    if outcome.failed:
        print(f"{_cells(outcome.failed)} failed; the logs are in {store.output / 'logs'}", file=sys.stderr)
        return 2 if outcome.users_mistakes == outcome.failed else 1
    return 0


def _device(asked: str) -> str:
    import torch

    has_cuda = torch.cuda.is_available()
    if asked == "cuda" and not has_cuda:
        raise UserError("--device cuda, but torch finds no GPU here; use --device cpu.")
    return "cuda" if asked != "cpu" and has_cuda else "cpu"


def _cells(count: int) -> str:
    return f"{count} cell" if count == 1 else f"{count} cells"
