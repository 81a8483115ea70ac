"""Grids from Python: the same store, the same cells and the same resume as on the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import results
from benchmark.cli.arguments import warn
from benchmark.cli.parser import build_parser
from benchmark.cli.run import INTERRUPTED, run_cells
from benchmark.grid.expand import REGISTRIES, expand
from benchmark.grid.grid import Grid, read_seeds
from benchmark.grid.resolve import resolve
from benchmark.grid.spec import ROLES, RunSpec
from benchmark.model.checks import check_builds
from benchmark.runtime.main_module import main_module_left_alone
from benchmark.use.trained import TrainedModel, load
from registry import Component, UserError, look_up
from registry.plugins import load_plugins, requested_plugins
from results.record import RunRecord
from results.render.plots import tradeoff_figure
from results.store.store import Store
from results.table.columns import columns_of, value
from results.table.compare import RowPair
from results.table.gather import Leaderboard

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_OURS = ("adapters", "backbones", "benchmark", "tasks")


class Results:
    """The leaderboard of an output, as it is when it is looked at.

    Args:
        output: the folder that a run has written.
    """

    def __init__(self, output: str | Path = "runs") -> None:
        self.output = Path(output)
        self._store = Store(self.output)

    def __repr__(self) -> str:
        rows = self._board.rows
        return f"Results({len(rows)} rows of {sum(row.score.seeds for row in rows)} runs in {self.output})"

    @property
    def rows(self) -> list[str]:
        """Names of the rows, as `compare` and `load` take them: `backbone/adapter/task`."""
        return [f"{row.backbone}/{row.adapter}/{row.task}" for row in self._board.rows]

    @property
    def records(self) -> list[RunRecord]:
        """Every record, completed or failed, ordered by hash."""
        return list(self._store.load())

    @property
    def failures(self) -> list[RunRecord]:
        """The records of cells that failed; `failure` says why."""
        return [record for record in self.records if record.failure]

    def to_dataframe(self) -> Any:
        """The rows with the columns of `leaderboard.csv`, as a pandas `DataFrame`; unknown is NaN or None.

        Raises:
            UserError: pandas is not installed.
        """
        try:
            pandas = import_module("pandas")
        except ImportError:
            raise UserError(
                f"to_dataframe needs pandas: pip install 'av-adapter-bench[pandas]', or read "
                f"{self.output / 'leaderboard.csv'}."
            ) from None
        columns = columns_of(self._board.rows)
        rows = [{name: value(row, name) for name in columns} for row in self._board.rows]
        return pandas.DataFrame(rows, columns=list(columns))

    def compare(self, first: str, second: str) -> list[RowPair]:
        """Two rows on the seeds and items that they share, one comparison for each board that has both.

        Args:
            first, second: `backbone/adapter`, with `/task` or `@digits` where several rows are called so.

        Raises:
            UserError: no such row, several, or no board in common.
        """
        board = self._board
        return results.compare_rows(board.rows, self._store.items, first, second, board.robustness)

    def plot(self) -> Figure:
        """Trainable parameters against score, a panel for each board; `savefig` writes it.

        Raises:
            UserError: no row has a score yet.
        """
        return tradeoff_figure(self._board.rows)

    def load(self, row: str, *, seed: int | None = None, device: str = "cpu") -> TrainedModel:
        """The trained model of a row, see `benchmark.load`."""
        return load(row, output=self.output, seed=seed, device=device)

    @property
    def _board(self) -> Leaderboard:
        board: Leaderboard = results.gather(self._store)
        return board


def run(
    grid: str | Path | None = None,
    *,
    backbones: Sequence[str] | None = None,
    adapters: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    seeds: Iterable[int] | None = None,
    recipe: Mapping[str, object] | None = None,
    protocol: str = "validation",
    output: str | Path = "runs",
    device: str = "auto",
    jobs: int | None = None,
    workers: int | None = None,
    gpus: str | None = None,
    timeout: float | None = None,
    retry: str = "failed",
    plugins: Sequence[str] = (),
    discard_adapters: bool = False,
) -> Results:
    """Train every combination that is not done yet, each in a process of its own, and make the leaderboard.

    Args:
        grid: a grid file; None is the embedded grid.
        backbones, adapters, tasks: components as text, `stg_cma(ratio=0.25)`, in place of the grid's.
        seeds: one run of each cell for each, in place of the grid's.
        recipe: fields of the recipe or options of the tasks, as `--set`: `{"epochs": 5, "data": "./ave"}`.
        protocol: `validation`, or `paper`, which selects the epoch on the test split.
        output: folder of records, adapters and tables.
        device: `auto`, `cpu` or `cuda`.
        jobs, workers, gpus, timeout, retry: as `run --help` says.
        plugins: files or modules that register components; also those that the cells' processes shall load.
        discard_adapters: do not keep what was trained.

    Raises:
        UserError: a mistake anywhere in what is asked; nothing has been trained then.
        KeyboardInterrupt: the same call goes on.
    """
    load_plugins(plugins, report=warn)
    asked = _narrowed(Grid.embedded() if grid is None else Grid.load(grid), backbones, adapters, tasks, seeds)
    specs = expand(asked, settings=[f"{k}={v}" for k, v in (recipe or {}).items()], protocol=protocol)
    modules = _modules_of(specs)
    cells = resolve(specs)
    check_builds(specs, warn)
    options = {"device": device, "jobs": jobs, "workers": workers, "gpus": gpus, "timeout": timeout, "retry": retry}
    words = ["run", f"--output={output}", *(["--discard-adapters"] if discard_adapters else [])]
    words += [f"--{name}={option}" for name, option in options.items() if option is not None]
    words += [f"--plugin={name}" for name in dict.fromkeys([*requested_plugins(), *modules])]
    arguments = build_parser(words).parse_args(words)
    with main_module_left_alone():
        status = run_cells(cells, Store(Path(output)), arguments)
    if status == INTERRUPTED:
        raise KeyboardInterrupt
    return Results(output)


def _narrowed(
    grid: Grid,
    backbones: Sequence[str] | None,
    adapters: Sequence[str] | None,
    tasks: Sequence[str] | None,
    seeds: Iterable[int] | None,
) -> Grid:
    changes: dict[str, Any] = {}
    for name, texts in (("backbones", backbones), ("adapters", adapters), ("tasks", tasks)):
        if isinstance(texts, str):
            raise UserError(f"{name}={texts!r} is one text, expected a list of components; write {name}=[{texts!r}].")
        if texts is not None:
            changes[name] = tuple(dict.fromkeys(Component.parse(text) for text in texts))
    if seeds is not None:
        changes["seeds"] = read_seeds(seeds)
    return replace(grid, **changes)


def _modules_of(specs: Sequence[RunSpec]) -> list[str]:
    """Modules of the user's that register components, which the processes of cells must import.

    Raises:
        UserError: a component that only this program knows.
    """
    modules: dict[str, None] = {}
    for role in ROLES:
        for name in dict.fromkeys(getattr(spec, role).name for spec in specs):
            module = look_up(REGISTRIES[role], name).__module__
            if module == "__main__":
                raise UserError(
                    f"{role} {name} is registered in the main program, which the processes of cells do not run; put it "
                    "into a file of its own and give plugins=['FILE.py']."
                )
            if module.partition(".")[0] not in _OURS and not module.startswith("plugin_"):
                modules[module] = None
    return list(modules)
