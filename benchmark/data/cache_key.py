"""Which cells share frozen features, told from what was asked for, before any model is built."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from benchmark.grid.grid import RunSpec
from benchmark.launch.plan import Cell

Extraction = tuple[str, ...]
"""What frozen features are of: backbone, data and precision."""


def is_keeping() -> bool:
    """Whether prepared clips are kept on disk for other runs; AVBENCH_PREPARED=none switches it off."""
    return os.environ.get("AVBENCH_PREPARED") != "none"


def extraction_of(spec: RunSpec) -> Extraction | None:
    """Equal for cells that share the features `feature_cache` computes once; None where a scheme changes them.

    Pictures have the backbone's own recipe, so that it needs no place of its own.
    """
    from registry import ADAPTERS, TASKS, UserError, look_up

    if not is_keeping():
        return None
    try:
        scheme, task = look_up(ADAPTERS, spec.adapter.name), look_up(TASKS, spec.task.name)
    except UserError:  # left for the cell itself to fail of
        return None
    if not getattr(scheme, "leaves_features_unchanged", False):
        return None
    head_options: frozenset[str] = getattr(task, "head_options", frozenset())
    data = sorted((name, value) for name, value in spec.task.options.items() if name not in head_options)
    random = str(spec.seed) if spec.backbone.options.get("weights") == "none" else ""
    return str(spec.backbone), random, spec.task.name, repr(data), spec.recipe.precision


def count_extractions(cells: Iterable[Cell]) -> tuple[int, int]:
    """How many extractions serve how many of these cells."""
    needed = [extraction for cell in cells if (extraction := extraction_of(cell.spec))]
    return len(set(needed)), len(needed)


def in_words(cells: Iterable[Cell]) -> str:
    """Of the extractions that cells need; empty where they need none."""
    extractions, served = count_extractions(cells)
    if not served:
        return ""
    features = "1 extraction" if extractions == 1 else f"{extractions} extractions"
    return f"{features} of frozen features at most for {served} of them, one for each backbone and data"


class Underway:
    """The extractions that cells of this launch work on, so that no other cell waits for one while it could train."""

    def __init__(self, of: Callable[[RunSpec], Extraction | None] = extraction_of) -> None:
        self._of = of
        self._by: dict[Extraction, str] = {}
        """Each that has begun, with the cell that does it; an empty text when it is done."""

    def begins(self, cell: Cell) -> None:
        """A cell has started; the first that needs an extraction does it."""
        if extraction := self._of(cell.spec):
            self._by.setdefault(extraction, cell.hash)

    def is_ready(self, cell: Cell) -> None:
        """A cell trains, so that its features are there."""
        for extraction, by in self._by.items():
            if by == cell.hash:
                self._by[extraction] = ""

    def ends(self, cell: Cell) -> None:
        """A cell has ended; what it has not made ready is left to the next."""
        self._by = {extraction: by for extraction, by in self._by.items() if by != cell.hash}

    def must_wait(self, cell: Cell) -> bool:
        """Whether the cell would only wait for another's extraction now."""
        return bool(self._by) and bool((extraction := self._of(cell.spec)) and self._by.get(extraction))
