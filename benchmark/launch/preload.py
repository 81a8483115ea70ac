"""Everything heavy that a cell's process needs, imported once: the module a forkserver preloads.

Processes forked from one that imported this start at once. Nothing here starts a thread of ours, because threads do not
survive a fork; libraries of linear algebra that keep some at the ready obey `OMP_NUM_THREADS` and
`OPENBLAS_NUM_THREADS`.
"""

from __future__ import annotations

import gc
from importlib import import_module

from registry.registries import ADAPTERS, BACKBONES, TASKS


def _import_heavy_parts() -> None:
    # A collection finds no garbage among modules, but visits all there are, again and again: a quarter of the time.
    gc.disable()
    for library in ("timm", "open_clip", "benchmark.launch.cell"):
        import_module(library)
    for registry in (BACKBONES, ADAPTERS, TASKS):
        registry.import_from_location()
    # One in a child would visit them too, and the page of each object that it visits is copied: a quarter of a second.
    gc.freeze()
    gc.enable()


_import_heavy_parts()
