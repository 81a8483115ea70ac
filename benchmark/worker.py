"""Everything heavy that a cell's process needs, imported once: the module a forkserver preloads.

Processes forked from one that imported this start at once. Nothing here starts a thread, because threads do not
survive a fork.
"""

from __future__ import annotations

import benchmark.training
from registry.registries import ADAPTERS, BACKBONES, TASKS

__all__ = ["benchmark"]

for _registry in (BACKBONES, ADAPTERS, TASKS):
    _registry.import_from_location()
