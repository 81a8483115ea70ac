"""Searches whose trials only pretend: a score that follows from the values, written as a record."""

from __future__ import annotations

import math
import time
from pathlib import Path

from benchmark.grid.cell import Cell
from benchmark.grid.spec import RunSpec
from benchmark.tune.search import Search
from benchmark.tune.space import parameters_of
from benchmark.tune.tune import tune
from benchmark.tune.tuned import trials_table
from registry import Component
from results.record import Failure, RunRecord
from results.store.store import Store
from tasks.recipe import Recipe

RECIPE = Recipe(epochs=9, adapter_lr=1e-3, head_lr=1e-2, precision="fp32")


def spec(adapter: str = "fake_adapter", **recipe: object) -> RunSpec:
    components = (Component.parse(text) for text in ("fake_backbone", adapter, "fake_task"))
    return RunSpec(*components, seed=100, recipe=RECIPE.override(recipe))


def score_of(cell: Cell) -> float:
    """Best at an adapter_lr of 4e-3 and a head_lr of 2e-2; better after more epochs."""
    recipe = cell.spec.recipe
    off = abs(math.log10(recipe.adapter_lr / 4e-3)) + abs(math.log10(recipe.head_lr / 2e-2))
    return round(80 - 20 * off + cell.until / 10, 6)


def record_of(cell: Cell, failure: Failure | None = None) -> RunRecord:
    score = {} if failure else {"accuracy": score_of(cell)}
    history = [] if failure else [{"epoch": epoch + 1, **score} for epoch in range(cell.until)]
    return RunRecord(
        hash=cell.hash, slug=cell.spec.slug, **cell.spec.as_dict(), status="failed" if failure else "completed",
        primary_metric="accuracy", scores=score, validation=score, history=history, failure=failure,
        best_epoch=None if failure else cell.until,
    )  # fmt: skip


class Pretender:
    """Writes a record for each cell that has none, and counts them."""

    def __init__(self, store: Store, seconds: float = 0.0, fails: float = 0.0) -> None:
        self.store, self.seconds, self.fails = store, seconds, fails
        """`fails`: an adapter_lr above which training fails; 0 for none."""
        self.trained: list[str] = []

    def __call__(self, cells: list[Cell]) -> int:
        for cell in cells:
            if self.store.read(cell.hash) is None:
                time.sleep(self.seconds)
                failed = Failure("nan_loss", "lost") if 0 < self.fails < cell.spec.recipe.adapter_lr else None
                self.store.write(record_of(cell, failed))
                self.trained.append(cell.hash)
        return 0


def searches(count: int = 2, sampler: str = "tpe", halves: bool = True) -> list[Search]:
    specs = [spec(f"fake_adapter(dead={dead})") for dead in range(11, 11 + count)]
    return [Search(one, parameters_of(one), sampler=sampler, seed=0, halves=halves) for one in specs]


def search(store: Store, run: Pretender | None = None, trials: int = 14, at_once: int = 4, **options) -> list[Search]:
    found = searches(**options)
    for _ in tune(found, store, run or Pretender(store), trials=trials, at_once=at_once):
        pass
    return found


def search_to_the_end(folder: Path, seconds: float) -> None:
    """Search and write the table of trials, in a process that may be killed at it."""
    store = Store(folder)
    done = search(store, Pretender(store, seconds=seconds))
    (folder / "trials.csv").write_text(trials_table(done, store.load()))
