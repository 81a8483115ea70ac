"""What searches leave: a table of every trial, and a grid file with the values that were chosen."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from benchmark.grid.grid import EFFORT, OPTIONS, Grid, Override, unique
from benchmark.grid.spec import ROLES
from benchmark.tune.search import Search, Trial
from registry.component import Component
from registry.errors import UserError
from results.record import RunRecord
from results.render.csv import harmless

TRIALS = "trials.csv"
TUNED = "tuned.toml"
COLUMNS = (
    "backbone", "adapter", "task", "trial", "state", "chosen", "epochs", "validation", "best_epoch", "values",
    "train_seconds", "failure", "hash",
)  # fmt: skip


def trials_table(searches: Sequence[Search], records: Iterable[RunRecord]) -> str:
    """Every trial as CSV: those of the searches in order, then records of trials that no search asks for any more, of
    another seed, sampler or space for example."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    known = set()
    for search in searches:
        for trial in search.trials:
            writer.writerow({name: harmless(str(value)) for name, value in _line(search, trial).items()})
            known |= {trial.cell.trial(rung).hash for rung in search.rungs} if trial.cell else set()
    for record in records:
        if record.hash not in known:
            writer.writerow({name: harmless(str(value)) for name, value in _foreign(record).items()})
    return text.getvalue()


def tuned_grid(
    grid: Grid, searches: Sequence[tuple[Mapping[str, Component], Search]], *, settings: Mapping[str, Any], heading: str
) -> str:
    """A grid file with the values that were chosen; a cell without a trial trained to the end keeps the grid's own.

    Args:
        grid: that was searched; its seeds, names and overrides stay.
        searches: with the components, by role, of the cells that each is for; a role that is left out is any.
        settings: fields of the recipe that were set for all cells.
        heading: the first line, a comment.

    Raises:
        UserError: nothing was chosen for any cell.
    """
    if not any(search.best for _, search in searches):
        raise UserError(f"no trial was trained to the end, so nothing is chosen; see {TRIALS}.")
    overrides = [*grid.overrides, *([Override(dict(settings))] if settings else [])]
    # A bare name fits a component with options too, which therefore comes later.
    ordered = sorted(searches, key=lambda one: any(component.options for component in one[0].values()))
    overrides += [_chosen(search, best, components) for components, search in ordered if (best := search.best)]
    lines = [f"# {' '.join(heading.split())}", ""]
    for role in ROLES:
        components = unique(own[role] for own, _ in searches if role in own)
        components = components or list(getattr(grid, f"{role}s"))
        lines.append(f"{role}s = {_toml([str(component) for component in components])}")
    lines += [f"seeds = {_toml(list(grid.seeds))}"]
    if grid.names:
        lines += ["", "[names]", *(f"{json.dumps(name)} = {_toml(str(full))}" for name, full in grid.names.items())]
    for override in overrides:
        if entries := dict(_entries(override)):
            lines += ["", "[[override]]", *(f"{name} = {_toml(value)}" for name, value in entries.items())]
    return "\n".join(lines) + "\n"


def _line(search: Search, trial: Trial) -> dict[str, Any]:
    record = trial.record
    failed = record.failure if record else None
    return {
        "backbone": search.spec.backbone,
        "adapter": search.spec.adapter,
        "task": search.spec.task,
        "trial": trial.number,
        "state": trial.state,
        "chosen": "yes" if trial is search.best else "",
        "epochs": trial.epochs,
        "validation": "" if trial.score is None else f"{trial.score:.4f}",
        "best_epoch": record.best_epoch or "" if record else "",
        "values": "; ".join(f"{name}={value}" for name, value in trial.values.items()),
        "train_seconds": f"{record.train_seconds:.1f}" if record and record.train_seconds is not None else "",
        "failure": f"{failed.kind}: {failed.message}" if failed else "",
        "hash": record.hash if record else "",
    }


def _foreign(record: RunRecord) -> dict[str, Any]:
    score = record.scores.get(record.primary_metric)
    return {
        "backbone": record.backbone,
        "adapter": record.adapter,
        "task": record.task,
        "state": "not asked for any more",
        "epochs": len(record.history),
        "validation": "" if score is None else f"{score:.4f}",
        "best_epoch": record.best_epoch or "",
        "hash": record.hash,
    }


def _chosen(search: Search, best: Trial, components: Mapping[str, Component]) -> Override:
    values = best.values
    options: dict[str, dict[str, Any]] = {}
    for parameter in search.parameters:
        # What is None is so already, since TOML, and so a space, cannot say it.
        if parameter.where != "recipe" and values[parameter.name] is not None:
            options.setdefault(parameter.where, {})[parameter.name] = values[parameter.name]
    return Override(
        {parameter.name: values[parameter.name] for parameter in search.parameters if parameter.where == "recipe"},
        {role: (str(component),) for role, component in components.items()},
        options,
        {"trials": len(search.trials), "epochs": search.epochs},
    )


def _entries(override: Override) -> Iterator[tuple[str, Any]]:
    for role, allowed in override.matchers.items():
        yield role, allowed[0] if len(allowed) == 1 else list(allowed)
    yield from override.recipe.items()
    for key, role in OPTIONS.items():
        if role in override.options:
            yield key, override.options[role]
    for key, name in EFFORT.items():
        if name in override.effort:
            yield key, override.effort[name]


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{json.dumps(str(name))} = {_toml(own)}' for name, own in value.items())} }}"
    return repr(value)
