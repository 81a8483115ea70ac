"""What decides the numbers of a cell, and its hash, so that a cell that is done is never run again.

Components, options, seed, the fields of the recipe that move numbers, the data's own identity, the digests of weight
files and the declared versions of every part decide. Names and places of files, comments, the way the code is laid out,
libraries, devices, threads and launchers do not; records keep those as provenance.

Only the standard library is imported here, so that any interpreter can compute a hash from the facts.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

from benchmark.grid.spec import RunSpec
from registry.component import TOWER_OPTIONS, Component, with_towers

SAME_NUMBERS = frozenset({"checkpointing"})
"""Fields of the recipe that change what a step costs and no bit of what it computes."""


def cell_hash(spec: RunSpec, *, data: str, weights: Mapping[str, str], versions: Mapping[str, str]) -> str:
    """16 hexadecimal digits of everything that decides the numbers of a cell.

    Args:
        data: identity of the data, `name@<version or digest>`.
        weights: sha256 of each file that initialises the backbone, by file name; the names do not count.
        versions: declared version of backbone, adapter, task, data and training.
    """
    recipe = {name: value for name, value in spec.recipe.as_dict().items() if name not in SAME_NUMBERS}
    return _digest(
        backbone=_without_places(spec.backbone),
        adapter=str(spec.adapter),
        task=_without_data(spec.task),
        seed=spec.seed,
        recipe=recipe,
        protocol=spec.protocol,
        data=data,
        weights=_digests(weights),
        versions=dict(versions),
    )


def feature_key(
    spec: RunSpec,
    *,
    data: str,
    weights: Mapping[str, str],
    versions: Mapping[str, str],
    head_options: frozenset[str],
) -> str:
    """16 hexadecimal digits, equal for cells whose backbone says the same of the same clips while it stays frozen.

    Args:
        data, weights, versions: see `cell_hash`; of the versions those of backbone, task, data and training count.
        head_options: options of the task that only its head reads.
    """
    return _digest(
        backbone=_without_places(spec.backbone),
        clips=_clips(spec.task, head_options),
        data=data,
        weights=_digests(weights),
        random=None if weights else spec.seed,
        precision=spec.recipe.precision,
        versions={part: versions.get(part) for part in ("backbone", "task", "data", "training")},
    )


def picture_key(
    spec: RunSpec, *, data: str, versions: Mapping[str, str], picture: str, head_options: frozenset[str]
) -> str:
    """16 hexadecimal digits, equal for cells whose front end makes the same pictures of the same clips.

    Args:
        picture: what the backbone wants pictures to be, as text.
    """
    made_by = {part: versions.get(part) for part in ("task", "data", "training")}
    return _digest(clips=_clips(spec.task, head_options), data=data, picture=picture, versions=made_by)


def _clips(task: Component, head_options: frozenset[str]) -> str:
    """The text of what decides the clips of a task beside its data."""
    return _without_data(
        Component(task.name, {name: value for name, value in task.options.items() if name not in head_options})
    )


def _without_places(backbone: Component) -> str:
    """A backbone's text, without the path of a weight file, whose digest counts in its place."""

    def without(one: Component) -> Component:
        weights = one.options.get("weights")
        is_file = isinstance(weights, str) and os.path.isfile(os.path.expanduser(weights))
        return one.with_options(weights="file") if is_file else one

    return str(with_towers(without(backbone), without))


def _digests(weights: Mapping[str, str]) -> list[str]:
    """Of the names of files none counts, but which of two backbones a file belongs to."""
    towers = tuple(f"{option}: " for option in TOWER_OPTIONS)
    return sorted(f"{n.split(': ')[0]}: {d}" if n.startswith(towers) else d for n, d in weights.items())


def _without_data(task: Component) -> str:
    """A task's text, without the place of its data, whose identity counts in its place."""
    return str(Component(task.name, {name: value for name, value in task.options.items() if name != "data"}))


def _digest(**facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
