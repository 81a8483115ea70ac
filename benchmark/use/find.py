"""Where a trained model lies: a folder, a row of an output, a repository of the hub."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import results
from benchmark.kept.config import slug_of
from benchmark.kept.folder import CONFIG, FOLDER
from benchmark.use.build import WITHOUT_FILES, WeightFiles
from registry import BACKBONES, Component, UserError, names
from registry.component import towers_of
from registry.plugins import load_plugins
from results.record import RunRecord
from results.store.store import Store
from results.table.naming import find
from results.table.row import Row

DEFAULT_OUTPUT = "runs"
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


def find_folder(
    name: str, output: str | Path | None = None, seed: int | None = None
) -> tuple[Path, WeightFiles | None]:
    """The folder behind a name, and the files of the backbone's weights where the output's own record tells them.

    A name is a folder where there is one, else a row where `output` is given or it begins with a backbone, else a
    repository of the hub.

    Raises:
        UserError: there is none, or several.
    """
    if Path(name).expanduser().is_dir():
        if output is not None or seed is not None:
            raise UserError(f"{name} is a folder; output and seed are for rows of a leaderboard, leave them out.")
        return Path(name).expanduser(), None
    if output is not None or seed is not None or _begins_with_a_backbone(name):
        return _of_row(name, Path(output or DEFAULT_OUTPUT), seed)
    if _REPOSITORY.fullmatch(name):
        return _of_hub(name), None
    raise UserError(
        f"there is no trained model {name!r}: it is no folder with {CONFIG}, no row such as "
        "'tiny_vit/lora(rank=8)/avqa' and no repository of the hub, owner/name."
    )


def _begins_with_a_backbone(name: str) -> bool:
    load_plugins()
    try:
        return Component.parse(name.partition("/")[0]).name in names(BACKBONES)
    except UserError:
        return False


def _of_hub(repository: str) -> Path:
    # The hub's client takes its time to import.
    folder: Path = import_module("benchmark.use.hub").pull(repository)
    return folder


def kept_runs(name: str, output: Path, seed: int | None = None) -> list[RunRecord]:
    """The runs of a row whose trained adapters were kept, by seed.

    Raises:
        UserError: there is no such row or seed, or nothing of it was kept.
    """
    if not output.is_dir():
        raise UserError(f"there is no folder {output} with a row {name}; give the output of its run with output='DIR'.")
    row = _one_row(name, output)
    runs = [run for run in row.runs if seed is None or run.seed == seed]
    if not runs:
        seeds = ", ".join(str(run.seed) for run in row.runs)
        raise UserError(f"row {name} of {output} has no seed {seed}; it has {seeds}.")
    kept = [run for run in runs if (output / FOLDER / slug_of(run)).is_dir()]
    if not kept:
        folder = output / FOLDER / slug_of(runs[0])
        raise UserError(
            f"the trained adapter of row {name}, seed {runs[0].seed}, was not kept: {folder} is not there; train the "
            "cell again without --discard-adapters in another --output."
        )
    return kept


def _of_row(name: str, output: Path, seed: int | None) -> tuple[Path, WeightFiles | None]:
    run = kept_runs(name, output, seed)[0]
    return output / FOLDER / slug_of(run), weight_files(run)


def _one_row(name: str, output: Path) -> Row:
    boards = find(results.gather(Store(output)).rows, name)
    if len(boards) > 1:
        tasks = ", ".join(sorted({row.task for row in boards.values()}))
        raise UserError(f"row {name} of {output} was run on several tasks; add one of them as /task: {tasks}.")
    return next(iter(boards.values()))


def weight_files(run: RunRecord) -> WeightFiles | None:
    """The files of the backbone's weights where the run names some."""
    backbone = Component.parse(run.backbone)
    if towers := towers_of(backbone):
        return {name: file for name, tower in towers.items() if (file := _weights_file(tower))}
    return _weights_file(backbone)


def _weights_file(backbone: Component) -> str | None:
    weights = backbone.options.get("weights")
    return weights if isinstance(weights, str) and weights not in WITHOUT_FILES else None
