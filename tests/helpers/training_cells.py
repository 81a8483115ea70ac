"""Cells of the training fakes, trained in this process."""

from __future__ import annotations

import dataclasses

from benchmark.grid.spec import RunSpec
from benchmark.train.train import train
from registry import Component
from tasks.recipe import Recipe

RECIPE = Recipe(epochs=4, batch_size=8, adapter_lr=1e-2, head_lr=1e-2, warmup_epochs=0.5, precision="fp32")


def spec(seed: int = 0, adapter: str = "fake_adapter", task: str = "fake_task", **recipe: object) -> RunSpec:
    components = (Component.parse(text) for text in ("fake_backbone", adapter, task))
    return RunSpec(*components, seed=seed, recipe=RECIPE.override(recipe))


def run(cell: RunSpec, **options):
    return train(cell, run_hash="0123", device="cpu", report=lambda progress: None, **{"workers": 0, **options})


def numbers(record) -> dict:
    """Everything of a record that may not differ between two runs of the same cell."""
    measured = ("peak_memory_mb", "ms_per_clip", "train_ms_per_clip", "single", "train_seconds")
    measured += ("started", "finished", "history")
    history = [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in record.history]
    kept = {k: v for k, v in dataclasses.asdict(record).items() if k not in measured} | {"history": history}
    kept["environment"].pop("machine_load", None)
    return kept
