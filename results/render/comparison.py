"""Two rows side by side on screen."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from registry.text import printable
from results.render import format
from results.render.robustness import condition_in_words
from results.statistics.significance import ALPHA
from results.table.compare import RowPair
from results.table.naming import title


def show_comparison(paired: Sequence[RowPair], console: Console | None = None) -> None:
    """Print two rows side by side, one table for each board."""
    console = console or Console()
    for pair in paired:
        console.print(_comparison_table(pair))
        if pair.differ_in:
            console.print(
                Text(printable(f"They also differ in {'; '.join(pair.differ_in)}."), style="dim"), soft_wrap=True
            )
        if not pair.lines:
            console.print(Text("They share no items and seeds, so nothing can be said about the difference."))
        elif pair.seeds == 1:
            console.print(
                Text("One shared seed: the noise between seeds is in neither the interval nor p.", style="yellow")
            )
        _show_what_separates(pair, console)
        if pair.drops:
            console.print(_drops_table(pair))
    console.print(
        "A difference is first minus second in points, with its paired 95 % interval; p is corrected for the lines of "
        "its kind (Holm). Bold: below 0.05. With few seeds p is the stricter of the two.",
        style="dim",
    )


def _show_what_separates(pair: RowPair, console: Console) -> None:
    """How many seeds would tell the rows apart, and the items on which they disagree most."""
    if pair.lines and pair.seeds_needed is not None and pair.lines[0].corrected >= ALPHA:
        told = (
            "More seeds would not tell them apart; more test items might."
            if math.isinf(pair.seeds_needed)
            else f"About {pair.seeds_needed:.0f} seeds would show a difference as large as this one (power 80 %)."
        )
        console.print(Text(told), soft_wrap=True)
    if pair.disagreements:
        console.print(Text("They disagree most on (first, second, in percent):", style="dim"))
        for one in pair.disagreements:
            kind = f"  ({one.kind.replace('_', ' ')})" if one.kind else ""
            console.print(Text(f"  {one.item}  {one.first:.0f}  {one.second:.0f}{kind}"), soft_wrap=True)


def _drops_table(pair: RowPair) -> Table:
    """What each row loses where sight or sound is taken away or spoiled."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.title, table.title_justify, table.title_style = "drops in points", "left", "bold"
    for name in ("", title(pair.first), title(pair.second), "difference", "95 % interval", "p corrected"):
        table.add_column(escape(printable(name)), justify="right" if name else "left", overflow="fold")
    for one in pair.drops:
        found = one.test.difference
        cells = (
            condition_in_words(one.condition),
            f"{one.first:.2f}",
            f"{one.second:.2f}",
            format.gain(found.mean, None),
            f"{found.low:+.2f} to {found.high:+.2f}",
            format.p_value(one.corrected).removeprefix("p ").removeprefix("= "),
        )
        table.add_row(*map(Text, cells), style="bold" if one.corrected < ALPHA else None)
    return table


def _comparison_table(pair: RowPair) -> Table:
    first, second = title(pair.first), title(pair.second)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    seeds = "1 shared seed" if pair.seeds == 1 else f"{pair.seeds} shared seeds"
    heading = f"{pair.board.task} · {pair.board.metric} · {pair.board.data} · {seeds}"
    table.title, table.title_justify, table.title_style = escape(printable(heading)), "left", "bold"
    for name in ("", "items", first, second, "difference", "95 % interval", "p", "p corrected"):
        table.add_column(escape(printable(name)), justify="right" if name else "left", overflow="fold")
    for line in pair.lines:
        found = line.test.difference
        cells = (
            printable(line.kind.replace("_", " ")),
            str(line.items),
            f"{line.first:.2f}",
            f"{line.second:.2f}",
            format.gain(found.mean, None),
            f"{found.low:+.2f} to {found.high:+.2f}",
            format.p_value(line.test.p_value).removeprefix("p ").removeprefix("= "),
            format.p_value(line.corrected).removeprefix("p ").removeprefix("= "),
        )
        table.add_row(*map(Text, cells), style="bold" if line.corrected < ALPHA else None)
    return table
