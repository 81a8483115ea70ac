"""Cells of the training fakes and small real ones, kept as a launcher keeps them, in this process."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmark.grid.resolve import resolve
from benchmark.grid.spec import RunSpec
from benchmark.kept.folder import keep
from benchmark.train.train import train
from registry import Component
from registry.vocabulary import ItemScore
from results.record import RunRecord
from results.store.store import Store
from tasks.recipe import Recipe

RECIPE = Recipe(epochs=1, batch_size=8, adapter_lr=1e-3, head_lr=1e-2, warmup_epochs=0.5, precision="fp32")


TASKS = ("event_localisation", "classification", "retrieval", "avqa")


class Kept(NamedTuple):
    """What a cell left."""

    folder: Path
    record: RunRecord
    items: Sequence[ItemScore]
    output: Path


def cell(backbone: str, adapter: str, task: str, seed: int = 0, **recipe: object) -> RunSpec:
    parts = (Component.parse(text) for text in (backbone, adapter, task))
    return RunSpec(*parts, seed=seed, recipe=RECIPE.override(recipe))


def train_and_keep(spec: RunSpec, output: Path) -> Kept:
    """Train a cell and keep its adapter, record and items in the output."""
    (resolved,) = resolve([spec])
    work = output / "checkpoints" / resolved.hash
    record, items = train(
        spec, run_hash=resolved.hash, device="cpu", report=lambda progress: None, work_dir=work, workers=0
    )
    record = dataclasses.replace(record, versions=dict(resolved.versions))
    folder = keep(output, record, items, work)
    assert folder is not None
    Store(output).write(record, items)
    return Kept(folder, record, items, output)


def data_of(sample: Path, task: str) -> Path:
    """The folder of a task's data in the sample of `kept_fixtures`."""
    if task == "classification":
        return sample / "manifest"
    return sample / "both" / ("music_avqa" if task == "avqa" else "ave")
