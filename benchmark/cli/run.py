"""`run`: train a grid, or one cell, and make the leaderboard."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence

import benchmark
import registry
from benchmark.cli import run_options
from benchmark.cli.arguments import Verbs, add_cell, add_output, add_plugins, add_verb, at_least, load_requested, warn
from benchmark.cli.leaderboard import import_meanwhile, show_leaderboard
from benchmark.cli.use.stress import stress_cells
from benchmark.grid.asked import asked_grid, names_in_full, with_names
from benchmark.grid.cell import Cell
from benchmark.grid.grid import EMBEDDED, Grid, narrow
from benchmark.grid.spec import ROLES, RunSpec
from benchmark.launch.launcher import Launcher, Observer
from benchmark.launch.placement import Placement
from benchmark.launch.plan import Plan, write_plan
from benchmark.launch.queue import extractions_in_words
from benchmark.launch.schedule import longest_first
from benchmark.launch.trackers import TRACKERS
from benchmark.runtime.remembered import names_no_file, recall, remember
from registry.component import option_defaults
from results.render.format import counted
from results.store.serialise import RecordError
from results.store.store import Store
from results.table.short_names import short_names
from tasks.recipe import check_precision

INTERRUPTED = 130
DETAILS = """\
The grid file is TOML: lists of backbones, adapters and tasks, seeds, a [recipe] table, [[override]] tables that change
the recipe of the cells named by their backbone, adapter or task, and a [names] table of short names. Without a file,
the embedded grid is run.

--backbones, --adapters and --tasks narrow the grid: a name selects the grid's components of that name; a name that the
grid does not have, or a component with options, takes the place of the grid's own.

Cells that are done are not run again; one that was cut off goes on from its last epoch. Two runs on one output share
the cells between them. Exit status: 0 done, 1 a cell failed, 2 a mistake to mend, 130 interrupted."""
EXAMPLES = """\
run --grid
run --grid pilot.toml --seeds 0 1 2 --set epochs=2
run --grid --backbones tiny_vit --adapters 'linear_probe,stg_cma(ratio=0.25)' --dry-run
run --backbone tiny_vit --adapter lavish --task avqa
run --backbone tiny_clip --adapter stg_cma --task event_localisation --set recipe=stg_cma_ave --protocol paper
run --backbone tiny_vit --adapter linear_probe --task avqa --set head_lr=1e-3,3e-3,1e-2
run --grid --jobs 4 --timeout 7200 --retry oom,killed
run --grid --gpus 0,1,3 --cells-per-gpu 2
run --backbone dino --adapter stg_cma --task avqa --name "dino=vit(model='vit_small_patch14_dinov2.lvd142m', size=224)"
run --paper stg_cma_ave_clip_large --data AVE --dry-run
run --grid --launcher slurm --partition gpu --time 600 --jobs 16"""


def add_to(verbs: Verbs) -> None:
    parser = add_verb(verbs, "run", act, examples=EXAMPLES, details=DETAILS)
    add_cells(parser)
    parser.add_argument(
        "--paper", metavar="NAME",
        help="a paper's set-up: backbone, adapter, head, sampling, recipe and protocol; see list papers",
    )  # fmt: skip
    parser.add_argument("--data", metavar="DIR", help="of --paper: the folder of its data set")
    parser.add_argument(
        "--protocol", choices=["validation", "paper"],
        help="paper: select the epoch on the test split, as the papers do; labelled so in records and tables (default: "
        "validation, with --paper paper)",
    )  # fmt: skip
    run_options.add_to(parser)
    parser.add_argument(
        "--log",
        choices=sorted(TRACKERS),
        help="also write each cell's curves, scores and costs there as it ends",
    )
    parser.add_argument("--dry-run", action="store_true", help="show the cells, their parameters and what is done")
    add_output(parser)
    add_plugins(parser)


def add_cells(parser: argparse.ArgumentParser) -> None:
    """Arguments that say which cells are meant."""
    parser.add_argument(
        "--grid", nargs="?", const=EMBEDDED[0], metavar="FILE.toml",
        help=f"every combination of a grid file's components, or of an embedded grid: {', '.join(EMBEDDED)} (default: "
        f"{EMBEDDED[0]})",
    )  # fmt: skip
    add_cell(parser, required=False)
    for kind in ("backbones", "adapters", "tasks"):
        parser.add_argument(f"--{kind}", metavar="A,B", help=f"narrow the grid to these {kind}")
    parser.add_argument(
        "--seeds", nargs="+", type=at_least(0), metavar="S", help="one run of each cell for each (default: the grid's)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", dest="settings",
        help="a field of the recipe, or else an option of the tasks (data=DIR), or recipe=NAME for a paper's recipe "
        "(docs/how_to/reproduce_a_paper.md); may be repeated; several values of a recipe's field, head_lr=1e-3,1e-2, "
        "are a run each",
    )  # fmt: skip
    parser.add_argument(
        "--name", action="append", default=[], metavar="NAME=COMPONENT",
        help="a short name for a component with its options, dino=\"vit(…)\", for tables, pictures and logs; may be "
        "repeated; without one, of long components the options that differ are shown",
    )  # fmt: skip


def act(arguments: argparse.Namespace) -> int:
    arguments.protocol = arguments.protocol or ("paper" if arguments.paper else "validation")
    grid, retry = with_names(asked_grid(arguments), arguments.name), run_options.kinds_to_retry(arguments.retry)
    run_options.refuse_idle_options(arguments)
    store, asked = Store(arguments.output), _asked(grid, arguments)
    # What a plug-in decides may change with any file that it reads.
    known = None if arguments.plugin else recall("cells", asked)
    cells = [Cell.from_dict(facts) for facts in known or ()]
    if not cells:
        for backbone in narrow(grid.backbones, arguments.backbones, grid.names):
            benchmark.refuse_out_of_reach(backbone)
    if not arguments.dry_run and not _nothing_to_train(cells, store, retry):
        # The server of cells imports what it needs while this process looks at what to run.
        run_options.get_ready(arguments)
        run_options.check_device(arguments)
    if not cells:
        load_requested(arguments)
        cells = _resolved(grid, arguments)
        if not arguments.plugin and all(map(_is_decided_by_the_code, cells)):
            remember("cells", asked, [cell.as_dict() for cell in cells])
    if arguments.dry_run:
        if arguments.paper:
            prepare_data(cell.spec for cell in cells)
        benchmark.show_plan(cells, store)
        return 0
    if names := names_in_full(grid):
        store.add_names(names)
    return run_cells(cells, store, arguments)


def _asked(grid: Grid, arguments: argparse.Namespace) -> list[object]:
    """Everything that decides which cells are asked for."""
    narrowed = [arguments.backbones, arguments.adapters, arguments.tasks, arguments.seeds]
    return [repr(grid), narrowed, arguments.settings, arguments.protocol]


def _is_decided_by_the_code(cell: Cell) -> bool:
    """Whether no file that may change, the user's or the hub's, decides the hash of a cell."""
    spec = cell.spec
    backbone = {**option_defaults(registry.look_up(registry.BACKBONES, spec.backbone.name)), **spec.backbone.options}
    declared = not any(version.startswith("file:") for version in cell.versions.values())
    return (
        declared
        and backbone.get("weights") in ("embedded", "none")
        and names_no_file([spec.backbone, spec.adapter, spec.task])
    )


def _resolved(grid: Grid, arguments: argparse.Namespace) -> list[Cell]:
    specs = benchmark.expand(
        grid,
        backbones=arguments.backbones,
        adapters=arguments.adapters,
        tasks=arguments.tasks,
        seeds=list(dict.fromkeys(arguments.seeds)) if arguments.seeds else None,
        settings=arguments.settings,
        protocol=arguments.protocol,
    )
    # Missing weights or data are told before any model is built.
    cells = benchmark.resolve(specs)
    benchmark.check_builds(specs, warn)
    return cells


def _nothing_to_train(cells: Sequence[Cell], store: Store, retry: set[str]) -> bool:
    return bool(cells) and not run_options.missing_cells(cells, store, retry)[0]


def run_cells(cells: Sequence[Cell], store: Store, arguments: argparse.Namespace) -> int:
    """Train what is missing of these cells as the options of `run` say, show the leaderboard -> exit status.

    Raises:
        UserError: an option that cannot be met, data that are not there, or an output that cannot be written.
    """
    retry = run_options.kinds_to_retry(arguments.retry)
    if arguments.log:
        benchmark.check_installed(arguments.log)
    store.prepare()
    missing, left = run_options.missing_cells(cells, store, retry, warn)
    if left:
        warn(f"{counted(len(left), 'cell')} failed before, left so; --retry failed runs what failed again.")
    done = len(cells) - len(missing) - len(left)
    if missing:
        load_requested(arguments)
        where = run_options.placement(arguments)
        for cell in missing:
            check_precision(cell.spec.recipe.precision, where.device)
        launcher = run_options.launcher(arguments, where)
        prepare_data(cell.spec for cell in missing)
        status = train_missing(cells, missing, done, store, where, launcher, arguments.log)
    else:
        write_plan(store.output, Plan(tuple(cells)))
        status = 0
        print(f"{counted(len(cells), 'cell')}: {done} done, nothing to train")
    if status != INTERRUPTED and arguments.stress:
        device = run_options.chosen_device(arguments.device)
        stress_cells([cell.hash for cell in cells], store, device=device, workers=arguments.workers)
    if status != INTERRUPTED:
        show_leaderboard(store.output)
    return status


def prepare_data(specs: Iterable[RunSpec]) -> None:
    """What every cell would wait for: clips rendered, media found."""
    for task in dict.fromkeys(spec.task for spec in specs):
        built = benchmark.build_task(task)
        with benchmark.preparation(str(task)) as report:
            built.prepare(report)
        if built.left_out:
            counts = ", ".join(f"{count} of {split}" for split, count in built.left_out.items())
            warn(f"{task}: media are missing, left out: {counts}")
        # What published splits share is told by `data verify`; in one's own it is a mistake.
        if built.source and built.source.annotation_files() and not built.source.official:
            for pair, count in built.source.overlap().items():
                if count:
                    warn(f"{task}: {count} clips are in both {pair}, so that scores tell less; see data verify")
            for pair, count in built.source.shared_groups().items():
                if count:
                    warn(f"{task}: {counted(count, 'group')} in both {pair}, so that scores tell less; see data verify")


def train_missing(
    cells: Sequence[Cell],
    missing: Sequence[Cell],
    done: int,
    store: Store,
    where: Placement,
    launcher: Launcher,
    log: str | None,
) -> int:
    """Train the missing ones of these cells -> exit status."""
    # One cell needs no order, and looking at the others takes a moment.
    work = benchmark.estimate_cost(cells, store.load(), warn) if len(missing) > 1 else {missing[0].hash: 0.0}
    write_plan(store.output, Plan(tuple(cells), work, where.jobs))
    import_meanwhile()
    total = len(cells)
    at_a_time = min(where.jobs, len(missing))
    print(f"{counted(total, 'cell')}: {done} done, {len(missing)} to train on {where.device}, {at_a_time} at a time")
    if extractions := extractions_in_words(missing):
        print(extractions)
    try:
        with benchmark.display(total, done, titles=_titles(cells, store)) as observer:
            outcome = launcher.launch(longest_first(missing, work), store, _logged(observer, log, store))
    except KeyboardInterrupt:
        finished = sum(store.completed(cell.hash) for cell in cells)
        print(f"interrupted: {finished} of {counted(total, 'cell')} done; the same command continues.", file=sys.stderr)
        return INTERRUPTED
    if outcome.submitted:
        print(
            f"{counted(outcome.submitted, 'cell')} submitted; see: python -m benchmark status --output {store.output}"
        )
    if outcome.failed:
        print(f"{counted(outcome.failed, 'cell')} failed; the logs are in {store.output / 'logs'}", file=sys.stderr)
        return 2 if outcome.users_mistakes == outcome.failed else 1
    return 0


def _titles(cells: Sequence[Cell], store: Store) -> dict[str, str]:
    """What cells are called on screen, by hash: `dino × stg_cma × avqa, seed 0`."""
    try:
        given = store.names()
    except RecordError:
        given = {}
    specs = [cell.spec for cell in cells]
    short = {role: short_names((str(getattr(spec, role)) for spec in specs), given) for role in ROLES}
    return {
        cell.hash: cell.spec.titled(**{role: short[role].get(str(getattr(cell.spec, role)), "") for role in ROLES})
        for cell in cells
    }


def _logged(observer: Observer, kind: str | None, store: Store) -> Observer:
    if not kind:
        return observer
    return benchmark.Exporter(observer, kind, store.output, warn)
