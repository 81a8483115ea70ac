"""What a row loses under conditions, on screen."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from registry.text import printable
from registry.vocabulary import STRESS_FAMILIES, Condition
from results.render import format
from results.statistics.robustness import Robustness
from results.statistics.significance import ALPHA


def condition_in_words(condition: Condition) -> str:
    """`noisy sound, 10 dB`"""
    words = STRESS_FAMILIES.get(condition.family, condition.family)
    return printable(f"{words}, {condition.level}" if condition.level else words)


def show_robustness(name: str, known: Robustness, console: Console | None = None) -> None:
    """Print the drops of a row, what it does not use, and its modality confusion."""
    console = console or Console()
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    seeds = format.counted(len(known.seeds), "seed")
    table.title = Text(printable(f"{name} · {seeds} · as they are {known.clean:.2f}"))
    table.title_justify, table.title_style = "left", "bold"
    for column in ("", "score", "drop", "95 % interval", "p corrected"):
        table.add_column(column, justify="right" if column else "left")
    for drop in known.drops:
        found = drop.test.difference
        cells = (
            condition_in_words(drop.condition),
            f"{drop.score:.2f}",
            f"{found.mean:.2f}",
            f"{found.low:+.2f} to {found.high:+.2f}",
            format.p_value(drop.corrected).removeprefix("p ").removeprefix("= "),
        )
        table.add_row(*map(Text, cells), style="bold" if drop.corrected < ALPHA else None)
    console.print(table)
    for verdict in known.verdicts:
        console.print(Text(f"It {verdict}: no score of any item changes with it.", style="bold yellow"))
    if known.confusion:
        audio, visual, either = (f"{share:.2f} %" for share in known.confusion)
        told = f"Right with one alone, wrong with both: sound {audio}, sight {visual}, with either of them {either}."
        console.print(Text(told), soft_wrap=True)
    for family, why in known.left_out.items():
        console.print(
            Text(printable(f"{STRESS_FAMILIES.get(family, family)}: left out, {why}."), style="dim"), soft_wrap=True
        )
