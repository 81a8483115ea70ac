"""Two rows side by side on screen."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from registry.text import printable
from results.render import format
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
    console.print(
        "A difference is first minus second in points, with its paired 95 % interval; p is corrected for the lines of "
        "its kind (Holm). Bold: below 0.05. With few seeds p is the stricter of the two.",
        style="dim",
    )


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
