"""Everything heavy that a cell's process needs, imported once: the module a forkserver preloads.

Processes forked from one that imported this start at once. Nothing here starts a thread of ours, because threads do not
survive a fork; libraries of linear algebra that keep some at the ready obey `OMP_NUM_THREADS` and
`OPENBLAS_NUM_THREADS`.
"""

from __future__ import annotations

import gc

import open_clip
import timm

import benchmark.training
from registry.registries import ADAPTERS, BACKBONES, TASKS

__all__ = ["benchmark", "open_clip", "timm"]

for _registry in (BACKBONES, ADAPTERS, TASKS):
    _registry.import_from_location()

# A collection in a child would visit all of this, and each object it visits has its page copied: a quarter of a second.
gc.collect()
gc.freeze()
