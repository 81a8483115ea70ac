"""A cell of a grid, with what is known of it before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.grid.spec import RunSpec


@dataclass(frozen=True)
class Cell:
    """One run that is asked for."""

    spec: RunSpec
    hash: str
    """Of everything that decides its numbers."""
    versions: Mapping[str, str]
    """Declared version of backbone, adapter, task, data and training; `file:<digest>` for a plug-in without one."""
    features: str = ""
    """Equal for cells that share frozen features; empty where the scheme changes them."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        facts = {"hash": self.hash, "versions": dict(self.versions), "features": self.features}
        return {"spec": self.spec.as_dict(), **facts}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Cell:
        """What `as_dict` wrote.

        Raises:
            UserError, KeyError, TypeError: it did not write this.
        """
        return cls(**{**facts, "spec": RunSpec.from_dict(facts["spec"])})
