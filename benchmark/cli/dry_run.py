"""The plan of a grid on screen: what `run --dry-run` shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from benchmark.cli.display import screen
from benchmark.cost.facts import counts_of
from benchmark.grid.cell import Cell
from benchmark.launch.plan import standing
from benchmark.launch.queue import extractions_in_words
from results.render.format import count, counted, number
from results.store.store import Store


def show_plan(cells: Sequence[Cell], store: Store) -> None:
    """Print every cell with its parameters by role and where it stands.

    Raises:
        UserError: an option that a part refuses.
    """
    console = screen()
    table = Table(header_style="bold")
    for name in ("backbone", "adapter", "task"):
        table.add_column(name, overflow="fold")
    for name in ("seed", "adapter", "head", "trainable", "%"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("state")
    standings, waiting = Counter[str](), list[Cell]()
    for cell in cells:
        at, note = standing(store, cell)
        standings[at] += 1
        waiting += [cell] if at == "waiting" else []
        table.add_row(*map(Text, [*_facts(cell), " ".join(filter(None, [at, note]))]))
    console.print(table)
    console.print(
        f"{counted(len(cells), 'cell')}: " + ", ".join(f"{many} {at}" for at, many in sorted(standings.items()))
    )
    if extractions := extractions_in_words(waiting):
        console.print(extractions)


def _facts(cell: Cell) -> list[str]:
    spec = cell.spec
    facts = counts_of(spec.backbone, spec.adapter, spec.task, cell.versions)
    counts = [count(facts[role]) for role in ("adapter", "head", "trainable")]
    components = [str(spec.backbone), str(spec.adapter), str(spec.task), str(spec.seed)]
    return [*components, *counts, number(facts["trainable_percent"], 2)]
