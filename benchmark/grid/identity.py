"""The hash of a cell: of everything that decides its numbers, so that a cell that is done is never run again.

The code counts by meaning: sources are read as syntax trees without docstrings, so that comments, wording and layout
may change. Versions of libraries and the device are written into the record instead, because a benchmark should not
be trained again after each upgrade.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmark.grid.check import callables_behind
from benchmark.grid.expand import REGISTRIES, build_task
from benchmark.grid.grid import ROLES, RunSpec
from benchmark.runtime.source_digest import digest
from registry import BACKBONES, Component, look_up
from tasks.task import Task

TRAINING = "benchmark.train.train"


class Identities:
    """Hashes of many cells; what cells share (tasks, weights, sources) is looked at once."""

    def __init__(self) -> None:
        self._tasks: dict[Component, Task] = {}
        self._weights: dict[Component, dict[str, str]] = {}
        self._codes: dict[tuple[str, ...], str] = {}

    def run_hash(self, spec: RunSpec) -> str:
        """See the function `run_hash`.

        Raises:
            UserError: data or weights that are not there.
        """
        if spec.task not in self._tasks:
            self._tasks[spec.task] = build_task(spec.task)
        if spec.backbone not in self._weights:
            self._weights[spec.backbone] = weight_identity(spec.backbone)
        return run_hash(spec, self._tasks[spec.task], self._weights[spec.backbone], self.code(spec))

    def code(self, spec: RunSpec) -> str:
        """The code identity of a cell, see the function `code_identity`."""
        names = tuple(getattr(spec, role).name for role in ROLES)
        if names not in self._codes:
            self._codes[names] = code_identity(spec)
        return self._codes[names]


def run_hash(spec: RunSpec, task: Task, weights: Mapping[str, str], code: str) -> str:
    """16 hexadecimal digits of the components, recipe, seed, protocol, data, weight files and code of a cell.

    Args:
        weights: sha256 by file name.
        code: from `code_identity`.
    """
    decisive = {**spec.as_dict(), "data": task.data_identity(), "weights": dict(weights), "code": code}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


def weight_identity(backbone: Component) -> dict[str, str]:
    """sha256 of each file that initialises a backbone, by file name; empty for random weights.

    A registered backbone may say so without being built, through an attribute `weight_identity(**options)`; any other
    is built and asked for its `weight_files`.

    Raises:
        UserError: a weight file that is not there.
    """
    build = look_up(BACKBONES, backbone.name)
    if hasattr(build, "weight_identity"):
        return dict(build.weight_identity(**backbone.options))
    return dict(getattr(build(**backbone.options), "weight_files", {}))


def code_identity(spec: RunSpec) -> str:
    """16 hexadecimal digits of the sources that a cell runs through.

    These are the modules of its three registered classes and the training module, with every module of this project
    (or of a plug-in's own package) that they import, directly or through others. What only decides which cells run and
    where is left out, see `benchmark.runtime.source_digest`.
    """
    registered = [look_up(registry, getattr(spec, role).name) for role, registry in REGISTRIES.items()]
    return digest([source for build in registered for source in sources_of(build)], [TRAINING])


def sources_of(build: Callable[..., Any]) -> list[tuple[str, Path]]:
    """Modules and files of a registered callable and of what it closes over."""
    return [(function.__module__, Path(inspect.getfile(function))) for function in callables_behind(build)]
