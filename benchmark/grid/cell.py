"""A cell of a grid, with what is known of it before it runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
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

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        facts = {"hash": self.hash, "versions": dict(self.versions), "features": self.features}
        return {"spec": self.spec.as_dict(), **facts}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Cell:
        """What `as_dict` wrote.

        Raises:
            UserError, KeyError, TypeError, ValueError: it did not write this.
        """
        cell = cls(**{**facts, "spec": RunSpec.from_dict(facts["spec"])})
        texts = (cell.hash, cell.features, *cell.versions, *cell.versions.values())
        if not all(isinstance(text, str) for text in texts) or not _HASH.fullmatch(cell.hash):
            raise ValueError(f"hash {cell.hash!r:.40} or its versions are no names")
        return cell
