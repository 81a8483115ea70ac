"""What `tune` does, once its words are read."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.table import Table
from rich.text import Text

import benchmark
from benchmark.cli import run_options
from benchmark.cli.arguments import warn
from benchmark.cli.display import screen
from benchmark.cli.run import INTERRUPTED, prepare_data, train_missing
from benchmark.grid.cell import Cell
from benchmark.grid.check import checked
from benchmark.grid.expand import expand, split_settings
from benchmark.grid.grid import Grid, narrow
from benchmark.grid.spec import ROLES, RunSpec
from benchmark.model.checks import check_builds
from benchmark.tune.search import Search
from benchmark.tune.space import buildable, check_options, parameters_of
from benchmark.tune.tune import UnfinishedError, tune
from benchmark.tune.tuned import TRIALS, TUNED, trials_table, tuned_grid
from registry import BACKBONES
from registry.component import Component
from registry.errors import UserError
from results.render.format import counted, number
from results.store.files import write_atomically
from results.store.store import Store


def tune_cells(grid: Grid, arguments: argparse.Namespace) -> int:
    """Search every cell of the grid as the options of `tune` say, and write what was found -> exit status.

    Raises:
        UserError: a mistake in the grid, an option that cannot be met, or an output that cannot be written.
    """
    cells = _cells(grid, arguments)
    specs = [spec for _, spec in cells]
    for backbone in dict.fromkeys(spec.backbone for spec in specs):
        benchmark.refuse_out_of_reach(backbone)
    check_builds(specs, warn)
    return _search(grid, cells, arguments)


def _cells(grid: Grid, arguments: argparse.Namespace) -> list[tuple[dict[str, Component], RunSpec]]:
    """The cells to search, each with the components by which the grid knows it.

    Raises:
        UserError: see `expand`; or a field with several values.
    """
    asked = {
        "backbones": arguments.backbones, "adapters": arguments.adapters, "tasks": arguments.tasks,
        "seeds": [arguments.seed], "settings": arguments.settings,
    }  # fmt: skip
    plain = replace(grid, overrides=tuple(replace(override, options={}) for override in grid.overrides))
    found = [
        ({role: getattr(known, role) for role in ROLES}, spec)
        for known, spec in zip(expand(plain, **asked), expand(grid, **asked), strict=True)
    ]
    distinct = {tuple(map(str, known.values())) for known, _ in found}
    if len(distinct) < len(found):
        raise UserError("--set gives a field several values; give one, and let the search find another.")
    if arguments.per == "task":
        first = found[0][0]["backbone"]
        found = [(known, spec) for known, spec in found if known["backbone"] == first]
    return found


def _search(grid: Grid, cells: list[tuple[dict[str, Component], RunSpec]], arguments: argparse.Namespace) -> int:
    specs = [spec for _, spec in cells]
    check_options(specs, arguments.options)
    _warn_of_unequal_epochs(specs)
    searches = [
        Search(
            spec, buildable(spec, parameters_of(spec, arguments.options)),
            sampler=arguments.sampler, seed=arguments.seed, halves=arguments.pruner == "asha",
        )
        for spec in specs
    ]  # fmt: skip
    if arguments.dry_run:
        _show_spaces(searches, arguments.trials)
        return 0
    store = Store(arguments.output / "trials")
    store.prepare()
    prepare_data(specs)
    train = _Train(store, arguments)
    try:
        for done in tune(searches, store, train, trials=arguments.trials, at_once=arguments.at_once):
            _write_trials(searches, store, arguments.output)
            print(f"{done} of {counted(arguments.trials, 'trial')} done for each of {counted(len(searches), 'cell')}")
    except UnfinishedError as unfinished:
        _write_trials(searches, store, arguments.output)
        return _stopped(unfinished.status, store)
    _write_tuned(grid, cells, searches, arguments)
    _show(searches)
    return 0


class _Train:
    """Trains what is missing of some trials, as the options of the command say."""

    def __init__(self, store: Store, arguments: argparse.Namespace) -> None:
        self._store, self._retry = store, run_options.kinds_to_retry(arguments.retry)
        self._arguments = arguments

    def __call__(self, cells: list[Cell]) -> int:
        missing, _ = run_options.missing_cells(cells, self._store, self._retry, warn)
        if not missing:
            return 0
        where = run_options.placement(self._arguments)
        launcher = run_options.launcher(self._arguments, where)
        return train_missing(cells, missing, len(cells) - len(missing), self._store, where, launcher, None)


def _stopped(status: int, store: Store) -> int:
    if status == INTERRUPTED:
        return status
    if status == 0:
        print("the same command goes on when these trials have ended.")
        return 0
    print(f"every trial failed; the logs are in {store.output / 'logs'}", file=sys.stderr)
    return status


def _warn_of_unequal_epochs(specs: Sequence[RunSpec]) -> None:
    """Where adapters train for other epochs on one backbone and task, no search can make their effort equal."""
    epochs: dict[tuple[Component, str], set[int]] = {}
    for spec in specs:
        epochs.setdefault((spec.backbone, spec.task.name), set()).add(spec.recipe.epochs)
    for (backbone, task), found in epochs.items():
        if len(found) > 1:
            warn(
                f"{backbone} on {task}: recipes of {', '.join(map(str, sorted(found)))} epochs, so that trials are "
                "equal and their compute is not; --set epochs=N makes it so."
            )


def _write_trials(searches: Sequence[Search], store: Store, output: Path) -> None:
    write_atomically(output / TRIALS, trials_table(searches, store.load()).encode())


def _write_tuned(
    grid: Grid,
    cells: Sequence[tuple[dict[str, Component], RunSpec]],
    searches: Sequence[Search],
    arguments: argparse.Namespace,
) -> None:
    roles = ROLES[1:] if arguments.per == "task" else ROLES
    known = [({role: own[role] for role in roles}, search) for (own, _), search in zip(cells, searches, strict=True)]
    for search in searches:
        if search.best is None:
            warn(f"{search.spec.title}: no trial was trained to the end, so its values stay; see {TRIALS}")
    settings, _ = split_settings(arguments.settings, [spec.task for _, spec in cells])
    grid = replace(grid, backbones=_backbones(grid, arguments))
    heading = f"Found by: {shlex.join(['python', '-m', 'benchmark', *sys.argv[1:]])}"
    path = arguments.output / TUNED
    write_atomically(path, tuned_grid(grid, known, settings=settings, heading=heading).encode())
    print(f"wrote {path}; next: python -m benchmark run --grid {path} --output {arguments.output}")


def _backbones(grid: Grid, arguments: argparse.Namespace) -> tuple[Component, ...]:
    """All that were asked for, also those that took no part in the search."""
    return tuple(checked(BACKBONES, component) for component in narrow(grid.backbones, arguments.backbones, grid.names))


def _show(searches: Sequence[Search]) -> None:
    table = Table(header_style="bold")
    for name in ("backbone", "adapter", "task"):
        table.add_column(name, overflow="fold")
    for name in ("trials", "epochs", "at first", "chosen"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("values", overflow="fold")
    for search in searches:
        first, best = search.trials[0], search.best
        values = ", ".join(f"{name}={value}" for name, value in best.values.items()) if best else "none"
        scores = [number(trial.score if trial else None, 2) for trial in (first, best)]
        own = [str(search.spec.backbone), str(search.spec.adapter), str(search.spec.task)]
        table.add_row(*map(Text, [*own, str(len(search.trials)), str(search.epochs), *scores, values]))
    console = screen()
    console.print(table)
    console.print(
        "Scores on validation: of the grid's own values, as far as they were trained, and of the chosen ones."
    )


def _show_spaces(searches: Sequence[Search], trials: int) -> None:
    table = Table(header_style="bold")
    for name in ("backbone", "adapter", "task", "what is searched", "epochs after which trials are compared"):
        table.add_column(name, overflow="fold")
    for search in searches:
        spec = search.spec
        own = [str(spec.backbone), str(spec.adapter), str(spec.task), "; ".join(map(str, search.parameters))]
        table.add_row(*map(Text, [*own, ", ".join(map(str, search.rungs))]))
    console = screen()
    console.print(table)
    console.print(f"{counted(trials, 'trial')} for each of {counted(len(searches), 'cell')}")
