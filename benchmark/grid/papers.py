"""Set-ups of papers by one name: backbone, adapter, head, sampling, recipe and what they published."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from benchmark.grid.grid import Grid, Override
from benchmark.grid.identity import SAME_NUMBERS
from benchmark.grid.spec import ROLES
from registry.component import Component
from registry.errors import unknown
from tasks.recipe import PRESET, Recipe, published

TRAINING_ITEMS = {"ave": 3_339, "music_avqa": 32_087, "avsbench_s4": 3_452, "avsbench_ms3": 296}
"""Clips, of MUSIC-AVQA questions, of the published training splits."""
GPU = "H200"
GFLOPS_PER_SECOND = 364_948.0
"""That a training step reached on it: bfloat16, compiled blocks, batches of 40 clips, CLIP ViT-L/14 with STG-CMA, half
of the rate of its matrix products (measurements/step_results.json, docs/evidence/performance.md)."""
SECONDS_A_STEP = 0.031
"""That Python took there to start the kernels of the smallest step: one clip, CLIP ViT-B/16, only the head trained.
No batch and no adapter makes it less."""


@dataclass(frozen=True)
class Paper:
    """One set-up, as its authors trained it."""

    name: str
    title: str
    backbone: str
    adapter: str
    task: str
    """Without the place of its data."""
    recipe: str
    """A name of `tasks.recipe.PRESETS`."""
    outline: str
    """The data set's name, for counting without files."""
    trainable: int
    """Parameters as its authors count them, counted from our modules."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the recipe beside it."""
    quirk: Mapping[str, Any] = field(default_factory=dict)
    """More of them, that repeat mistakes of the published code, for the protocol `paper` alone."""
    gflops: float | None = None
    """Of a training step for each clip, forward and backward, counted from our modules; None where not counted."""
    published: Mapping[str, str] | None = None
    """Columns that tell its line of `results/published.csv`; None where no figure could be read."""
    differs: str = ""
    """Why its figure is not one of this set-up; empty where it is."""

    @property
    def components(self) -> dict[str, Component]:
        return {role: Component.parse(getattr(self, role)) for role in ROLES}

    def grid(self, data: str, protocol: str) -> Grid:
        """Its one cell on this data, with the first seed."""
        parts = self.components
        recipe = {PRESET: self.recipe, **self.settings, **(self.quirk if protocol == "paper" else {})}
        task = parts["task"].with_options(data=data)
        return Grid((parts["backbone"],), (parts["adapter"],), (task,), overrides=(Override(recipe),))

    def recipe_in_full(self, protocol: str) -> Recipe:
        quirk = self.quirk if protocol == "paper" else {}
        return published(self.recipe).override({**self.settings, **quirk})

    def differs_from(
        self, backbone: str, adapter: str, task: str, recipe: Mapping[str, Any], protocol: str
    ) -> list[str]:
        """What a run had that this set-up has not, a phrase each; places of weights and data aside.

        Args:
            task: without the place of its data.
            recipe: all fields, as a record has them.
        """
        own = self.components
        ran = {"backbone": backbone, "adapter": adapter, "task": task}
        told = [
            f"{role} {text} in place of {own[role]}"
            for role, text in ran.items()
            if _without_weights(Component.parse(text)) != _without_weights(own[role])
        ]
        expected = self.recipe_in_full(protocol).as_dict()
        fields = (name for name in expected if name not in SAME_NUMBERS and recipe.get(name) != expected[name])
        return told + [f"recipe {name}={recipe.get(name)} in place of {expected[name]}" for name in fields]

    @property
    def hours(self) -> float:
        """What training takes at least on one `GPU`: its operations at `GFLOPS_PER_SECOND`, or `SECONDS_A_STEP` for a
        step where that is more.

        Both are limits from below: other precisions, small batches and adapters take longer, and decoding is not in it.
        Early stopping, of which nobody knows when, is not either, and takes less.
        """
        recipe, items = self.recipe_in_full("paper"), TRAINING_ITEMS[self.outline]
        computing = items * (self.gflops or 0.0) / GFLOPS_PER_SECOND
        return recipe.epochs * max(computing, items / recipe.batch_size * SECONDS_A_STEP) / 3600


@cache
def papers() -> dict[str, Paper]:
    """All of them, by name, in the order of `papers.toml`."""
    text = (resources.files("benchmark") / "grid" / "papers.toml").read_text(encoding="utf-8")
    return {name: Paper(name, **facts) for name, facts in tomllib.loads(text).items()}


def paper(name: str) -> Paper:
    """One set-up.

    Raises:
        UserError: no such name.
    """
    if name not in papers():
        raise unknown("paper", name, papers())
    return papers()[name]


def _without_weights(component: Component) -> Component:
    """A file of weights has a place of its own on every machine; the record's digest tells what it is."""
    return Component(component.name, {name: own for name, own in component.options.items() if name != "weights"})
