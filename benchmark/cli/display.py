"""What commands show: tables, and the grid while it trains, with bars on a terminal and plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from benchmark.grid.cell import Cell
from benchmark.launch.launcher import Observer
from benchmark.launch.plan import outcome
from benchmark.runtime.progress import Progress as CellProgress
from results.record import RunRecord
from results.render.format import duration

SECONDS_BETWEEN_LINES = 60.0
WIDTH_OF_FILES = 200
"""Columns where standard output is no terminal: wide enough that no row of a table is folded."""


def screen() -> Console:
    """Standard output, at the width of the terminal or, in a file or pipe, at a fixed one."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_OF_FILES)


@contextmanager
def display(total: int, done: int, console: Console | None = None) -> Iterator[Observer]:
    """An observer that shows the grid as long as the block lasts.

    Args:
        total: cells of the grid.
        done: those that were done before.
        console: standard output by default.
    """
    console = console or Console()
    if _is_live(console):
        with _progress_bars(console) as bars:
            yield Bars(bars, total, done)
    else:
        yield Lines(console, total, done)


@contextmanager
def preparation(
    title: str, console: Console | None = None, *, done_word: str = "prepared", quiet: bool = False
) -> Iterator[Callable[[int, int], None]]:
    """A `report(done, total)` for clips that are made ready; silent where nothing is reported, or `quiet`."""
    console = console or Console(quiet=quiet)
    begun = said = time.monotonic()
    with _progress_bars(console) if _is_live(console) else nullcontext() as bars:
        row: TaskID | None = None

        def report(done: int, total: int) -> None:
            nonlocal row, said
            if bars is not None:
                row = bars.add_task(title, total=total, note="") if row is None else row
                bars.update(row, completed=done, note=f"{done}/{total} clips {done_word}")
            elif done == total:
                console.print(f"{title}: {total} clips {done_word}", highlight=False, soft_wrap=True)
            elif done and time.monotonic() - said >= SECONDS_BETWEEN_LINES:
                said = time.monotonic()
                left = duration((said - begun) * (total - done) / done)
                console.print(f"{title}: {done} of {total} clips, {left} left", highlight=False, soft_wrap=True)

        yield report


def _is_live(console: Console) -> bool:
    """Whether bars can move: on a terminal, and in a notebook that has its widgets."""
    return console.is_terminal or (console.is_jupyter and find_spec("ipywidgets") is not None)


class Lines:
    """One line for each cell that ended, and now and then one for a long cell."""

    def __init__(self, console: Console, total: int, done: int) -> None:
        self._console, self._total, self._ended = console, total, done
        self._said: dict[str, float] = {}

    def started(self, cell: Cell) -> None:
        self._said[cell.hash] = time.monotonic()

    def progressed(self, cell: Cell, progress: CellProgress) -> None:
        if time.monotonic() - self._said[cell.hash] >= SECONDS_BETWEEN_LINES:
            self._said[cell.hash] = time.monotonic()
            self._say(Text(f"{cell.spec.title}: {_where(progress)}"))

    def ended(self, cell: Cell, record: RunRecord) -> None:
        self._ended += 1
        self._say(_ended_line(self._ended, self._total, cell, record))

    def let_go(self, cell: Cell) -> None:
        self._say(Text(f"{cell.spec.title}: another run trains it"))

    def _say(self, line: Text) -> None:
        # One line whatever the width: such output is read by programs and `grep`.
        self._console.print(line, soft_wrap=True)


class Bars:
    """A bar for the grid and one for each running cell."""

    def __init__(self, bars: Progress, total: int, done: int) -> None:
        self._bars, self._total, self._ended = bars, total, done
        self._fractions: dict[str, float] = {}
        self._rows: dict[str, TaskID] = {}
        self._done_before = done
        self._grid = bars.add_task("grid", total=total - done, note=f"{done} of {total}")

    def started(self, cell: Cell) -> None:
        self._fractions[cell.hash] = 0.0
        self._rows[cell.hash] = self._bars.add_task(cell.spec.title, total=1.0, note="starting")

    def progressed(self, cell: Cell, progress: CellProgress) -> None:
        self._fractions[cell.hash] = progress.fraction
        self._bars.update(self._rows[cell.hash], completed=progress.fraction, note=_where(progress))
        self._update_grid()

    def ended(self, cell: Cell, record: RunRecord) -> None:
        self._ended += 1
        self._fractions.pop(cell.hash)
        self._bars.remove_task(self._rows.pop(cell.hash))
        self._bars.console.print(_ended_line(self._ended, self._total, cell, record))
        self._update_grid()

    def let_go(self, cell: Cell) -> None:
        self._fractions.pop(cell.hash)
        self._bars.remove_task(self._rows.pop(cell.hash))

    def _update_grid(self) -> None:
        completed = self._ended - self._done_before + sum(self._fractions.values())
        self._bars.update(self._grid, completed=completed, note=f"{self._ended} of {self._total}")


def _progress_bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False, table_column=Column(ratio=3, no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=24),
        TextColumn(
            "{task.fields[note]}", markup=False, table_column=Column(ratio=3, no_wrap=True, overflow="ellipsis")
        ),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        expand=True,
        transient=True,
    )


def _where(progress: CellProgress) -> str:
    """`train 3/20 · loss 0.412 · best 61.3`"""
    parts = [f"{progress.phase} {progress.epoch}/{progress.epochs}" if progress.epoch else progress.phase]
    parts += [] if progress.loss is None else [f"loss {progress.loss:.3g}"]
    parts += [] if progress.score is None else [f"best {progress.score:.1f}"]
    return " · ".join(parts)


def _ended_line(ended: int, total: int, cell: Cell, record: RunRecord) -> Text:
    width = len(str(total))
    line = Text(f"[{ended:>{width}}/{total}] {cell.spec.title}: ")
    if record.status == "failed":
        return line.append(f"failed, {outcome(record)}", style="red")
    took = f" in {duration(record.train_seconds)}" if record.train_seconds is not None else ""
    return line.append(outcome(record), style="bold").append(took)
