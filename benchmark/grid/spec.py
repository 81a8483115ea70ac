"""What is asked of one run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from registry.component import Component
from tasks.recipe import Recipe

ROLES = ("backbone", "adapter", "task")


@dataclass(frozen=True)
class RunSpec:
    """One cell of the grid: everything that is asked of one run."""

    backbone: Component
    adapter: Component
    task: Component
    seed: int
    recipe: Recipe
    protocol: str = "validation"
    effort: Mapping[str, int] = field(default_factory=dict, compare=False)
    """Behind the recipe: `trials` and `epochs` of the search that chose it, which decide nothing; empty where none."""

    @property
    def slug(self) -> str:
        """File-safe, unique and stable: the names for people, and a digest of the whole cell for uniqueness."""
        digest = hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()[:8]
        return f"{self.backbone.name}-{self.adapter.name}-{self.task.name}-s{self.seed}-{digest}"

    @property
    def title(self) -> str:
        """For screens: `tiny_vit × lavish(latents=4) × avqa, seed 0`."""
        return self.titled()

    def titled(self, backbone: str = "", adapter: str = "", task: str = "") -> str:
        """The same with short names in the place of components."""
        return f"{backbone or self.backbone} × {adapter or self.adapter} × {task or self.task}, seed {self.seed}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, components as their one-line text."""
        components = {role: str(getattr(self, role)) for role in ROLES}
        return {**components, "seed": self.seed, "recipe": self.recipe.as_dict(), "protocol": self.protocol}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> RunSpec:
        """What `as_dict` wrote.

        Raises:
            UserError, KeyError, TypeError, ValueError: it did not write this.
        """
        backbone, adapter, task = (Component.parse(facts[role]) for role in ROLES)
        if type(facts["seed"]) is not int or not isinstance(facts["protocol"], str):
            raise ValueError(f"seed {facts['seed']!r:.40} is no whole number, or protocol no text")
        return cls(backbone, adapter, task, facts["seed"], Recipe(**facts["recipe"]), facts["protocol"])
