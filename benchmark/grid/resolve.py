"""From what is asked of runs to cells: data, weights and versions looked at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from benchmark.grid.cell import Cell
from benchmark.grid.expand import REGISTRIES, build_task
from benchmark.grid.identity import cell_hash, feature_key
from benchmark.grid.spec import ROLES, RunSpec
from registry import ADAPTERS, BACKBONES, TASKS, Component, look_up
from registry.component import towers_of
from registry.registries import version_of_parts
from tasks.task import Task

TRAINING = 1
"""Version of the training loop and of what it feeds models with: front end, augmentation, optimiser, schedule,
selection. Raised when any of them changes numbers."""


def resolve(specs: Iterable[RunSpec]) -> list[Cell]:
    """The cells of these specs; what they share (tasks, weights) is looked at once.

    Raises:
        UserError: data or weights that are not there.
    """
    tasks, weights = cache(build_task), cache(weight_digests)
    return [_resolved(spec, tasks(spec.task), weights(spec.backbone)) for spec in specs]


def versions_of(spec: RunSpec, task: Task) -> dict[str, str]:
    """What each part of a cell declares, see `Cell.versions`."""
    parts = {role: version_of_parts(REGISTRIES[role], getattr(spec, role)) for role in ROLES}
    return {**parts, "data": str(getattr(task.source, "version", 1)), "training": str(TRAINING)}


def weight_digests(backbone: Component) -> dict[str, str]:
    """sha256 of each file that initialises a backbone, by file name; empty for random weights.

    A registered backbone may say so without being built, through an attribute `weight_identity(**options)`; any other
    is built and asked for its `weight_files`.

    Raises:
        UserError: a weight file that is not there.
    """
    towers = towers_of(backbone)
    if towers:
        return {f"{m}: {name}": d for m, tower in towers.items() for name, d in weight_digests(tower).items()}
    build: Callable[..., Any] = look_up(BACKBONES, backbone.name)
    if hasattr(build, "weight_identity"):
        return dict(build.weight_identity(**backbone.options))
    return dict(getattr(build(**backbone.options), "weight_files", {}))


def _resolved(spec: RunSpec, task: Task, weights: Mapping[str, str]) -> Cell:
    facts: dict[str, Any] = {"data": task.data_identity(), "weights": weights, "versions": versions_of(spec, task)}
    shared = getattr(look_up(ADAPTERS, spec.adapter.name), "leaves_features_unchanged", False)
    head_options: frozenset[str] = getattr(look_up(TASKS, spec.task.name), "head_options", frozenset())
    features = feature_key(spec, **facts, head_options=head_options) if shared else ""
    return Cell(spec, cell_hash(spec, **facts), facts["versions"], features)
