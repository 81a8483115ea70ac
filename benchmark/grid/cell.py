"""A cell of a grid, with what is known of it before it runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmark.grid.spec import RunSpec

_HASH = re.compile(r"[A-Za-z0-9_-]{1,200}")
"""It names files, and may lead nowhere."""


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
    until: int = 0
    """Of a trial of a search the epoch after which it rests, without a look at the test split; 0 for any other cell."""

    def trial(self, until: int) -> Cell:
        """The same as a trial of a search, trained up to this epoch; its record has a name of its own."""
        return replace(self, hash=f"{self.hash}-{until}", until=until)

    @property
    def checkpoints(self) -> str:
        """The name of its checkpoints, which a trial goes on from."""
        return self.hash.removesuffix(f"-{self.until}") if self.until else self.hash

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        facts: dict[str, Any] = {"hash": self.hash, "versions": dict(self.versions), "features": self.features}
        facts |= {"until": self.until} if self.until else {}
        facts |= {"effort": dict(self.spec.effort)} if self.spec.effort else {}
        return {"spec": self.spec.as_dict(), **facts}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Cell:
        """What `as_dict` wrote.

        Raises:
            UserError, KeyError, TypeError, ValueError: it did not write this.
        """
        rest = {name: value for name, value in facts.items() if name != "effort"}
        effort = {str(name): int(count) for name, count in facts.get("effort", {}).items()}
        cell = cls(**{**rest, "spec": replace(RunSpec.from_dict(facts["spec"]), effort=effort)})
        texts = (cell.hash, cell.features, *cell.versions, *cell.versions.values())
        if not all(isinstance(text, str) for text in texts) or not _HASH.fullmatch(cell.hash):
            raise ValueError(f"hash {cell.hash!r:.40} or its versions are no names")
        if type(cell.until) is not int or cell.until < 0:
            raise ValueError(f"until {cell.until!r:.40} is no epoch")
        return cell
